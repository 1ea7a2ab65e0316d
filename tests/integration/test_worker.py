"""A real worker between a real Kafka and a real Redis, with the committed models."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.adapters.model_files import load
from app.config import PACKAGED_MODELS
from app.core.jobs import JobResult, decode_result
from app.core.jobs import encode as encoded
from app.core.topics import DEAD_LETTERS, REASON, RESULTS, SOURCE
from tests.eventually import eventually
from tests.gelf_receiver import GelfReceiver
from tests.kafka_server import KafkaServer, running_kafka
from tests.redis_server import RedisServer, running_redis
from tests.sample_rows import ROWS
from tests.worker_process import Client, Worker, running_worker

# The bar for a poison message: it is put aside, and the next one is answered.
POISON_SECONDS = 10.0


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A broker of these tests' own: there is one group of workers in it."""
    with running_kafka(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="module")
def client(kafka: KafkaServer, store: RedisServer) -> Iterator[Client]:
    one = Client(kafka, store)
    yield one
    one.close()


@pytest.fixture(scope="module")
def receiver() -> Iterator[GelfReceiver]:
    with GelfReceiver() as opened:
        yield opened


@pytest.fixture(scope="module")
def worker(
    kafka: KafkaServer,
    store: RedisServer,
    client: Client,
    receiver: GelfReceiver,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Worker]:
    folder = tmp_path_factory.mktemp("worker")
    with running_worker(folder, kafka.servers, store.url, gelf_url=receiver.url) as running:
        yield running


def test_a_job_is_answered_published_counted_and_committed(worker: Worker, client: Client, kafka: KafkaServer) -> None:
    ident = client.submit("iris", [ROWS["iris"]])
    (answer,) = client.answers([ident])
    assert answer | {"answered": 0, "accepted": 0} == {
        "id": ident,
        "client": "ana",
        "model": "iris",
        "status": "done",
        "request_id": "request-iris",
        "version": "v1",
        "result": [0],
        "accepted": 0,
        "answered": 0,
    }
    assert answer["accepted"] <= answer["answered"]
    eventually(client.all_committed, what="the job's offset is committed")
    (record,) = [one for one in kafka.records(RESULTS) if json.loads(one.value)["id"] == ident]
    assert (record.key, json.loads(record.value)) == (b"ana", answer)
    assert record.headers == [("request-id", b"request-iris")]
    scrape = worker.scrape()
    assert scrape.total("jobs_finished_total", model="iris", outcome="done") >= 1
    assert scrape.total("predictions_total", model="iris", version="v1", outcome="computed") >= 1
    assert scrape.total("messages_consumed_total", topic="jobs") >= 1
    assert scrape.total("job_wait_seconds_count") >= 1


def test_each_job_leaves_one_record_on_stdout_and_over_gelf(
    worker: Worker, client: Client, receiver: GelfReceiver
) -> None:
    def finished() -> float:
        return worker.scrape().total("jobs_finished_total")

    before, logged_before = finished(), len(job_records(receiver))
    idents = [client.submit("forest", [ROWS["forest"]]) for _ in range(50)]
    client.answers(idents)
    client.submit("forest", [ROWS["forest"]], ident=idents[0])
    client.submit("oak", [[1]])
    client.put(b"poison")
    client.flush()
    eventually(lambda: finished() == before + 53, what="all messages are done with")
    eventually(lambda: len(job_records(receiver)) == logged_before + 53, what="all records are received")
    mine = job_records(receiver)[logged_before:]
    assert Counter(one["_outcome"] for one in mine) == {"done": 50, "duplicate": 1, "failed": 1, "unreadable": 1}
    assert {one["_request_id"] for one in mine} == {"request-forest", "request-oak", "request-raw"}
    assert {one["_job_id"] for one in mine if one["_outcome"] == "done"} == set(idents)
    assert all(one["_duration_us"] > 0 for one in mine)
    assert len({(one["_partition"], one["_offset"]) for one in mine}) == 53
    lines = [json.loads(line) for line in worker.log.read_bytes().splitlines()]
    assert [line for line in lines if line["_event"] == "job"] == job_records(receiver)
    (letter,) = [one for one in lines if "is a dead letter (unknown-model)" in one["short_message"]]
    assert letter["_event"] == "message"


def job_records(receiver: GelfReceiver) -> list[dict[str, Any]]:
    receiver.read()
    return [one for one in receiver.records() if one["_event"] == "job"]


def test_a_thousand_jobs_of_all_models_get_the_answers_of_the_models(
    worker: Worker, client: Client, kafka: KafkaServer
) -> None:
    kernels: dict[str, Any] = {}
    for kernel in load(PACKAGED_MODELS):
        kernels.setdefault(kernel.info.name, kernel)
    names = list(kernels)
    asked = {}
    for number in range(1000):
        name = names[number % len(names)]
        rows = [ROWS[name]] * (1 + number % 3)
        asked[client.submit(name, rows, client=f"client-{number % 7}")] = (name, rows)
    for answer, (name, rows) in zip(client.answers(asked), asked.values(), strict=True):
        expected = kernels[name].predict(rows)
        assert answer["status"] == "done"
        assert (
            answer["result"] == pytest.approx(expected.result)
            if kernels[name].info.kind == "regressor"
            else (answer["result"] == expected.result)
        )
        assert answer.get("score") == (None if expected.score is None else pytest.approx(expected.score))
    eventually(client.all_committed, what="all offsets are committed")
    published = [decode_result(one.value).id for one in kafka.records(RESULTS)]
    assert sorted(one for one in published if one in asked) == sorted(asked)
    scrape = worker.scrape()
    assert scrape.total("jobs_finished_total", outcome="done") >= 1000
    eventually(lambda: worker.scrape().total("consumer_lag_records", topic="jobs") == 0, what="no lag")


def test_what_is_delivered_twice_keeps_its_first_result(
    worker: Worker, client: Client, store: RedisServer, kafka: KafkaServer
) -> None:
    first = JobResult(
        id="twice", client="ana", model="iris", status="done", request_id="r", accepted=1.0, answered=2.0, result=[2]
    )
    store.client.set("result:twice", encoded(first))
    client.submit("iris", [ROWS["iris"]], ident="twice")
    client.answers([client.submit("iris", [ROWS["iris"]])])
    answer = client.answer("twice")
    assert answer is not None
    assert answer["result"] == [2]
    assert [one.value for one in kafka.records(RESULTS) if b'"twice"' in one.value] == [encoded(first)]
    assert worker.scrape().total("jobs_finished_total", model="iris", outcome="duplicate") == 1


def poison() -> dict[str, tuple[bytes | None, str]]:
    """What a message can be that no worker can ever answer, and the reason that it is put aside with."""

    def job(**changes: Any) -> bytes:
        whole = {
            "id": "p",
            "client": "ana",
            "model": "iris",
            "data": [ROWS["iris"]],
            "request_id": "r",
            "accepted": 1.0,
        }
        return json.dumps(whole | changes).encode()

    return {
        "no JSON": (b"\xff\x00 no JSON", "unreadable"),
        "nothing": (None, "unreadable"),
        "no id": (b'{"model": "iris"}', "unreadable"),
        "an empty id": (job(id=""), "unreadable"),
        "an id as long as a book": (job(id="x" * 100_000), "unreadable"),
        "nested too deep": (b"[" * 100_000, "unreadable"),
        "no data": (b'{"id": "poison-no-data", "client": "ana", "model": "iris"}', "unreadable"),
        "an unknown model": (job(id="poison-model", model="oracle"), "unknown-model"),
        "rows too wide": (job(id="poison-width", data=[[1.0] * 5]), "wrong-shape"),
        "text for numbers": (job(id="poison-text", data=["a"]), "wrong-shape"),
        "no rows": (job(id="poison-empty", data=[]), "wrong-shape"),
        "numbers beyond all bounds": (
            job(id="poison-numbers", model="diabetes", data=[[1e308] * 10]),
            "unusable-input",
        ),
    }


@pytest.mark.parametrize("kind", poison())
def test_poison_is_put_aside_and_the_next_message_answered(
    kind: str, worker: Worker, client: Client, kafka: KafkaServer
) -> None:
    value, reason = poison()[kind]
    before = worker.scrape().total("dead_letters_total", topic="jobs", reason=reason)
    place = client.put(value)
    after = client.submit("iris", [ROWS["iris"]])
    (answer,) = client.answers([after], within=POISON_SECONDS)
    assert answer["status"] == "done"
    where = f"jobs/{place.get().partition}/{place.get().offset}".encode()
    letters = [dict(one.headers) | {"value": one.value} for one in kafka.records(DEAD_LETTERS)]
    (letter,) = [one for one in letters if one[SOURCE] == where]
    assert letter["value"] == value
    assert letter[REASON].startswith(f"{reason}: ".encode())
    assert letter["request-id"] == b"request-raw"
    eventually(client.all_committed, what="the partition has gone on")
    assert worker.scrape().total("dead_letters_total", topic="jobs", reason=reason) == before + 1
    if value is not None and b'"poison-' in value:
        told = client.answer(json.loads(value)["id"])
        assert told is not None
        assert (told["status"], told["client"]) == ("failed", "ana")
        assert told["reason"]


def test_a_worker_without_dead_letters_is_blocked_by_poison(tmp_path: Path) -> None:
    (tmp_path / "kafka").mkdir()
    with running_kafka(tmp_path / "kafka") as kafka, running_redis(tmp_path) as store:
        client = Client(kafka, store)
        careless = "tests.integration.careless_worker trusting"
        with running_worker(tmp_path, kafka.servers, store.url, module=careless) as worker:
            client.put(b"no JSON")
            after = client.submit("iris", [ROWS["iris"]])
            client.flush()
            eventually(
                lambda: worker.scrape().total("messages_retried_total", topic="jobs") >= 5, within=POISON_SECONDS
            )
            assert client.answer(after) is None
        client.close()


def test_readiness_names_what_is_away(worker: Worker, store: RedisServer, client: Client) -> None:
    assert worker.get("/readyz")[0] == 200
    assert worker.get("/healthz") == (200, b'{"status":"ok"}')
    assert worker.get("/elsewhere")[0] == 404
    store.freeze()
    try:
        status, body = worker.get("/readyz")
        assert worker.get("/healthz")[0] == 200
    finally:
        store.thaw()
    assert (status, json.loads(body)) == (503, {"ready": False, "dependencies": {"kafka": "ok", "store": "down"}})


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"kafka": ""}, "LAB_KAFKA"),
        ({"store_url": ""}, "LAB_STORE_URL"),
        ({"worker_batch": 0}, "LAB_WORKER_BATCH"),
        ({"canary": "oracle:v1=5"}, "oracle"),
        ({"models_dir": "/nowhere"}, "manifest.json"),
    ],
)
def test_a_wrong_setting_ends_the_start_with_one_line(settings: dict[str, object], named: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {"kafka": "127.0.0.1:1", "store_url": "redis://127.0.0.1:1/0"} | settings
    worker = Worker(tmp_path, given.pop("kafka"), given.pop("store_url"), **given)
    assert worker.process.wait(60) == 2
    (line,) = worker.log.read_text().splitlines()
    assert line.startswith("app.worker: ")
    assert named in line


def test_a_taken_port_ends_the_start_with_one_line(worker: Worker, tmp_path: Path) -> None:
    second = Worker(tmp_path, "127.0.0.1:1", "redis://127.0.0.1:1/0", metrics_port=worker.port)
    assert second.process.wait(60) == 2
    (line,) = second.log.read_text().splitlines()
    assert f"LAB_METRICS_PORT={worker.port}" in line
