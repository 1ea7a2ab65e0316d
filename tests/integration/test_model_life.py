"""Versions change while requests are answered: none fails, the split is exact, and what is wrong changes nothing."""

import contextlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.adapters.model_files import CARD
from app.config import PACKAGED_MODELS
from app.training.trained_folder import add_version, locked
from tests.eventually import eventually
from tests.integration.model_lab import predict, traffic
from tests.integration.test_model_digest import change_one_byte
from tests.samples.opinions import LABELLED
from tests.service import Service, running_service

CLIENTS = 4
PREDICTIONS = 5000


def predict_together(service: Service, count: int) -> Counter[tuple[int, str]]:
    with ThreadPoolExecutor(CLIENTS) as clients:
        parts = [clients.submit(predict, service, count // CLIENTS) for _ in range(CLIENTS)]
        return sum((part.result() for part in parts), Counter())


@contextlib.contextmanager
def under_load(service: Service) -> Iterator[Counter[tuple[int, str]]]:
    """Keep clients busy; the counter is filled when they have ended."""
    seen: Counter[tuple[int, str]] = Counter()
    stop = threading.Event()
    with ThreadPoolExecutor(CLIENTS) as clients:
        parts = [clients.submit(predict, service, 10**9, stop) for _ in range(CLIENTS)]
        try:
            yield seen
        finally:
            stop.set()
        for part in parts:
            seen.update(part.result())


def by_version(service: Service) -> dict[str, float]:
    scrape = service.settled()
    return {version: scrape.total("predictions_total", model="sentiment", version=version) for version in ("v1", "v2")}


def complaints(service: Service) -> list[str]:
    lines = [json.loads(line) for line in service.log.read_bytes().splitlines()]
    return [line["short_message"] for line in lines if line["_event"] == "message" and line["level"] == 3]


def test_a_version_is_tried_promoted_and_rolled_back_under_load_without_a_failed_request(lab, replica):
    with under_load(replica) as seen:
        for command, wanted in (
            (("canary", "sentiment", "v2", "--weight", "10"), {"v1": 0.9, "v2": 0.1}),
            (("canary", "sentiment", "v2", "--weight", "50"), {"v1": 0.5, "v2": 0.5}),
            (("promote", "sentiment", "v2"), {"v1": 0.0, "v2": 1.0}),
            (("rollback", "sentiment"), {"v1": 1.0, "v2": 0.0}),
        ):
            done = lab.lab(*command)
            assert done.returncode == 0, done.stdout + done.stderr
            assert "served so by all 1 replicas and workers" in done.stdout
            assert traffic(replica) == pytest.approx(wanted)
    assert {status for status, _ in seen} == {200}, seen
    versions = {version: seen[200, version] for version in ("v1", "v2")}
    assert min(versions.values()) > 0
    assert by_version(replica) == versions
    assert replica.same_process()


def test_the_split_is_within_two_points_over_5000_predictions_and_metrics_agree_with_headers(lab, replica):
    assert lab.lab("canary", "sentiment", "v2", "--weight", "10").returncode == 0
    seen = predict_together(replica, PREDICTIONS)
    assert seen.keys() == {(200, "v1"), (200, "v2")}
    assert seen.total() == PREDICTIONS
    assert seen[200, "v2"] / PREDICTIONS == pytest.approx(0.10, abs=0.02)
    assert abs(seen[200, "v2"] - PREDICTIONS * 0.1) <= 1  # of one replica it is exact
    assert by_version(replica) == {"v1": seen[200, "v1"], "v2": seen[200, "v2"]}
    scrape = replica.scrape()
    shares = {
        version: scrape.total("model_traffic_share", model="sentiment", version=version) for version in ("v1", "v2")
    }
    assert shares == {"v1": 0.9, "v2": 0.1}


def test_a_new_version_is_told_of_and_reached_by_its_own_path(lab, replica):
    path = "/v2/models/sentiment/versions/v2/infer"
    body = {"inputs": [{"name": "input", "shape": [1], "datatype": "BYTES", "data": [LABELLED[0][0]]}]}
    assert replica.post(path, body).status == 404
    assert lab.lab("canary", "sentiment", "v2", "--weight", "0").returncode == 0
    entry = replica.get("/models/sentiment").json()
    assert (entry["version"], entry["canary"], entry["traffic"]) == ("v1", "v2", {"v1": 1.0, "v2": 0.0})
    assert [one["version"] for one in entry["versions"]] == ["v1", "v2"]
    assert replica.get("/v2/models/sentiment").json()["versions"] == ["v1", "v2"]
    answer = replica.post(path, body)
    assert (answer.status, answer.headers["x-model-version"]) == (200, "v2")
    assert answer.json()["model_version"] == "v2"
    assert lab.lab("promote", "sentiment", "v2").returncode == 0
    assert replica.post("/models/sentiment/predict", {"data": ["Vale."]}).headers["x-model-version"] == "v2"
    assert replica.post("/predict", {"data": [[5.1, 3.5, 1.4, 0.2]]}).headers["x-model-version"] == "v1"


def test_a_replica_that_starts_answers_by_the_routes_from_its_first_request_on(lab, tmp_path):
    lab.write('{"sentiment": {"stable": "v2", "previous": "v1"}}')
    with running_service(tmp_path, **lab.settings) as service:
        assert predict(service, 20) == {(200, "v2"): 20}


def test_a_canary_rule_of_the_environment_holds_until_a_route_says_otherwise(lab, tmp_path):
    with running_service(
        tmp_path, **lab.settings | {"canary": "forest:v2=25", "models_dir": PACKAGED_MODELS}
    ) as service:
        lab.write('{"sentiment": {"stable": "v2"}}')
        eventually(lambda: traffic(service)["v2"] == 1.0)
        assert service.get("/models/forest").json()["traffic"] == {"v1": 0.75, "v2": 0.25}
        lab.write('{"forest": {"stable": "v2"}}')
        eventually(lambda: service.get("/models/forest").json()["traffic"] == {"v1": 0.0, "v2": 1.0})
        assert traffic(service)["v2"] == 1.0


def test_a_wrong_routes_file_changes_nothing_and_is_told_of_once(lab, replica):
    assert lab.lab("canary", "sentiment", "v2", "--weight", "10").returncode == 0
    before = replica.get("/models").json()
    wrong = {
        "{": "not a routes file",
        '{"oak": {"stable": "v1"}, "sentiment": {"stable": "v2"}}': "no model 'oak'",
        '{"sentiment": {"stable": "v7"}}': "no version 'v7' of 'sentiment'; there are: v1, v2",
        '{"sentiment": {"stable": "v1", "canary": "v2", "weight": 101}}': "weight",
        '{"sentiment": {"stable": "v2", "canary": "v2", "weight": 10}}': "the stable version and the canary",
    }
    for number, (content, named) in enumerate(wrong.items(), start=1):
        lab.write(content)
        found = eventually(lambda number=number: len(complaints(replica)) == number and complaints(replica))
        assert named in found[-1]
        assert replica.get("/models").json() == before
    lab.write('{"sentiment": {"stable": "v2"}}')
    eventually(lambda: traffic(replica)["v2"] == 1.0)
    assert len(complaints(replica)) == len(wrong)


@pytest.mark.parametrize("name", ["model.json", "card.json"])
def test_a_trained_version_with_one_byte_changed_is_refused_by_name_and_the_old_one_goes_on(lab, replica, name):
    change_one_byte(lab.data / "models" / "sentiment" / "v2" / name, seed=4)
    lab.write('{"sentiment": {"stable": "v1", "canary": "v2", "weight": 50}}')
    (line,) = eventually(lambda: complaints(replica))
    assert f"sentiment/v2/{name}: sha256" in line
    assert traffic(replica) == {"v1": 1.0}
    assert predict(replica, 20) == {(200, "v1"): 20}


def test_memory_is_bounded_to_three_versions_of_a_model(lab, replica):
    models = lab.data / "models"
    for number in (3, 4, 5):
        copy_version(models, f"v{number}")
    for number in (2, 3, 4, 5):
        assert lab.lab("promote", "sentiment", f"v{number}").returncode == 0
    assert traffic(replica) == {"v3": 0.0, "v4": 0.0, "v5": 1.0}
    assert replica.post("/v2/models/sentiment/versions/v2/infer", {}).status == 404
    for gauge in ("model_traffic_share", "model_queue_rows"):
        assert shown(replica, gauge) == {"v3", "v4", "v5"}
    assert lab.lab("promote", "sentiment", "v1").returncode == 0
    assert predict(replica, 4) == {(200, "v1"): 4}


def shown(service: Service, gauge: str) -> set[str]:
    samples = service.scrape().samples
    return {one.labels["version"] for one in samples if one.name == gauge and one.labels["model"] == "sentiment"}


def copy_version(models: Path, version: str) -> None:
    """Add a version that is v2 under another number, as retraining adds it."""
    files = {path.name: path.read_bytes() for path in (models / "sentiment" / "v2").iterdir()}
    files[CARD] = files[CARD].replace(b'"version": "v2"', f'"version": "{version}"'.encode(), 1)
    with locked(models):
        add_version(models, "sentiment", version, files)
