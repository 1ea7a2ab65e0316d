"""What the generator tells Prometheus of a run is what the run's own files say, to the last request."""

import socket
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from threading import Thread

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from labkit.loadgen import drive
from labkit.loadgen.driver import free_port
from labkit.marks import marks
from labkit.urls import Urls
from tests.eventually import eventually
from tests.integration.load_runs import ROOT, home_in, plain_environment, read_json, scenario_in, service
from tests.integration.load_service import KEY

ALL = (
    "duration = 2\nusers = 30\ngrace = 2\n"
    '[shape]\nkind = "constant"\nrate = 60\n[mix]\nPredictUser = 4\nJobUser = 1\nPageUser = 1\n'
)
Samples = dict[str, dict[tuple[str, ...], float]]


def parsed(text: str) -> Samples:
    """Samples by name; keys are the label values in the order of the label names."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


class Scraper(Thread):
    """Asks an exporter over and over, as Prometheus does, until it has been there and is gone."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.url = f"http://127.0.0.1:{port}/metrics"
        self.scrapes: list[Samples] = []
        self.start()

    def run(self) -> None:
        with httpx.Client(trust_env=False) as client:
            eventually(lambda: self.ask(client), within=60, what="the first scrape")
            eventually(lambda: not self.ask(client), within=60, every=0.2, what="the end of the exporter")

    def ask(self, client: httpx.Client) -> bool:
        try:
            answer = client.get(self.url)
        except httpx.HTTPError:
            return False
        self.scrapes.append(parsed(answer.text))
        return answer.status_code == 200


def ledger(run: Path, field: str) -> Counter[tuple[str, ...]]:
    """Counts of requests.json: by method, route and status, or by method, reason and route."""
    found: Counter[tuple[str, ...]] = Counter()
    for entry in read_json(run / "requests.json")["entries"]:
        if field == "statuses":
            found.update({(entry["method"], entry["name"], status): n for status, n in entry["statuses"].items()})
        else:
            found.update({(entry["method"], one["kind"], entry["name"]): one["count"] for one in entry["errors"]})
    return found


def counted(samples: Samples, name: str) -> Counter[tuple[str, ...]]:
    return Counter({key: int(value) for key, value in samples.get(name, {}).items()})


@pytest.mark.parametrize("processes", [1, 2])
def test_the_last_scrape_is_the_ledger_of_the_run(
    tmp_path: Path, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_API_KEY", KEY)
    port = free_port()
    scraper = Scraper(port)
    with service(tmp_path / "service", "refuse=3", "hang_at=40") as urls:
        run = drive(
            scenario_in(tmp_path, ALL),
            replace(urls, locust_metrics=f"http://127.0.0.1:{port}/metrics"),
            home=home_in(tmp_path),
            processes=processes,
            on_progress=lambda _: None,
        )
    scraper.join()
    last = scraper.scrapes[-1]
    statuses, reasons = ledger(run, "statuses"), ledger(run, "errors")
    assert counted(last, "locust_requests_total") == statuses
    assert counted(last, "locust_failures_total") == reasons
    assert {status for _, _, status in statuses} >= {"0", "200", "400", "422", "503", "done"}
    by_route = Counter({key: sum(n for k, n in statuses.items() if k[:2] == key) for key in {k[:2] for k in statuses}})
    for name in ("locust_response_seconds", "locust_service_seconds"):
        assert counted(last, f"{name}_count") == by_route
        assert {key[1:]: n for key, n in counted(last, f"{name}_bucket").items() if key[0] == "+Inf"} == by_route
    offered = [scrape.get("locust_offered_requests_per_second", {}).get(()) for scrape in scraper.scrapes]
    rates = {rate for rate in offered if rate is not None}  # none is known before the users are there
    assert rates == {0.0, 60.0}
    assert max(scrape["locust_users"][()] for scrape in scraper.scrapes) == 30
    # Counters only grow, whatever moment a scrape meets.
    sums = [counted(scrape, "locust_requests_total").total() for scrape in scraper.scrapes]
    assert sums == sorted(sums)
    assert len(set(sums)) > 2


def test_a_taken_port_is_told_and_ends_no_run(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, service(tmp_path / "service") as urls:
        port = other.getsockname()[1]
        run = drive(
            scenario_in(tmp_path, 'duration = 1\nusers = 5\n[shape]\nkind = "constant"\nrate = 20\n'),
            replace(urls, locust_metrics=f"http://127.0.0.1:{port}/metrics"),
            home=home_in(tmp_path),
            on_progress=lambda _: None,
        )
    assert read_json(run / "generator.json")["sent"] == 20
    assert f"not served to Prometheus: port {port}" in (run / "locust.log").read_text()


def test_plain_locust_exports_with_one_flag(tmp_path: Path) -> None:
    port = free_port()
    scraper = Scraper(port)
    command = [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests" / "page_user.py"), "--headless"]
    command += ["-u", "4", "-r", "4", "-t", "3s", "--metrics-port", str(port)]
    with service(tmp_path / "service") as urls:
        end = subprocess.run(
            [*command, "--host", urls.service], env=plain_environment(), cwd=tmp_path, timeout=60, check=False
        )
    scraper.join()
    assert end.returncode == 0
    last = scraper.scrapes[-1]
    assert counted(last, "locust_requests_total").total() > 0
    assert counted(last, "locust_requests_total").total() == counted(last, "locust_service_seconds_count").total()
    # A closed loop intends no start: there is nothing to measure from.
    assert "locust_response_seconds_count" not in last
    assert "locust_offered_requests_per_second" not in last


def test_a_run_is_marked_from_its_start_to_its_last_answer(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    scenario = scenario_in(tmp_path, 'duration = 1\nusers = 5\n[shape]\nkind = "constant"\nrate = 20\n')
    with service(tmp_path / "service") as urls:
        run = drive(scenario, urls, home=home, on_progress=lambda _: None)
    first, last = marks(home, 0, 1e12)
    facts = read_json(run / "generator.json")
    assert [(mark.kind, mark.run) for mark in (first, last)] == [("run-start", run.name), ("run-end", run.name)]
    assert first.time <= facts["started"] <= last.time == facts["ended"]
    assert "20 requests" in last.text


def test_a_run_that_measured_nothing_has_an_end_too(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    keyed = scenario_in(tmp_path, 'duration = 1\nusers = 5\n[shape]\nkind = "constant"\nrate = 20\n[mix]\nNobody = 1\n')
    with pytest.raises(Exception, match="locust measured nothing"):
        drive(keyed, Urls(service="http://127.0.0.1:1"), home=home, on_progress=lambda _: None)
    assert [mark.kind for mark in marks(home, 0, 1e12)] == ["run-start", "run-end"]
