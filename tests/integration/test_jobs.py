"""Jobs through real replicas, a real store, a real Kafka: what is accepted is in the topic, once, and its owner's."""

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from app.adapters.job_store import RedisJobStore
from app.core.jobs import JobView, decode_job, id_of_key
from tests.asgi import Received
from tests.eventually import eventually
from tests.fake_models import kernels
from tests.job_service import KEYS, FakeLog, Wired, keys_file
from tests.kafka_publishers import PROTECTED, REFUSED_WITHIN
from tests.kafka_server import running_kafka
from tests.redis_server import running_redis
from tests.sample_rows import IRIS
from tests.service import Answer, Service, free_ports, running_service

JOB = {"model": "iris", "data": IRIS}
ANA, EVA = ({"X-API-Key": key} for key in KEYS.values())
TRIES = 1000


class Replicas:
    """Two replicas on one store and one Kafka."""

    def __init__(self, one: Service, other: Service, kafka: Any) -> None:
        self.one, self.other = one, other
        self._kafka = kafka

    def jobs(self, *idents: str) -> list[Any]:
        """Return the records of these jobs in the topic, which may hold what other tests wrote."""
        ours = [one for one in self._kafka.records("jobs") if any(ident.encode() in one.value for ident in idents)]
        return [record for record in ours if decode_job(record.value).id in idents]

    def submitted(self) -> float:
        return sum(one.scrape().total("jobs_submitted_total") for one in (self.one, self.other))


@pytest.fixture(scope="module")
def replicas(kafka: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    folder = tmp_path_factory.mktemp("jobs")
    with contextlib.ExitStack() as opened:
        store = opened.enter_context(running_redis(folder))
        settings = {
            "kafka": kafka.servers,
            "store_url": store.url,
            "store_deadline": 5.0,
            "api_keys_file": keys_file(folder),
            "job_rate": 10_000,
            "job_burst": 10_000,
        }
        one, other = (opened.enter_context(running_service(folder, replica=name, **settings)) for name in ("a", "b"))
        for service in (one, other):  # the first message makes the topics
            eventually(lambda service=service: service.post("/jobs", JOB, ANA).status == 202, within=30)
        yield Replicas(one, other, kafka)


def test_an_accepted_job_is_in_the_topic_with_its_owner_as_key_and_the_requests_id(replicas):
    answer = replicas.one.post("/jobs", JOB, ANA | {"X-Request-ID": "request-of-a-job"})
    assert answer.status == 202
    ident = answer.json()["id"]
    (record,) = replicas.jobs(ident)
    assert (record.key, record.headers) == (b"ana", [("request-id", b"request-of-a-job")])
    job = decode_job(record.value)
    assert (job.client, job.model, json.loads(bytes(job.data))) == ("ana", "iris", IRIS)
    assert abs(job.accepted - time.time()) < 600
    for service in (replicas.one, replicas.other):
        assert service.get(answer.headers["location"], ANA).json() == {"id": ident, "status": "queued"}


def test_a_job_of_the_largest_body_fits_into_the_topic(replicas):
    """Blanks count: the rows travel as they were sent."""
    for size, status in ((1 << 20, 202), ((1 << 20) + 1, 413)):
        head, tail = b'{"model": "iris", "data": [[5.1, 3.5, 1.4, 0.2]', b"]}"
        answer = replicas.one.post("/jobs", head + b" " * (size - len(head) - len(tail)) + tail, ANA)
        assert answer.status == status, answer.body
    assert replicas.one.get("/readyz").json()["dependencies"]["kafka"] == "ok"


def test_jobs_of_one_client_keep_to_one_partition(replicas):
    idents = [replicas.one.post("/jobs", JOB, ANA).json()["id"] for _ in range(10)]
    assert len({record.partition for record in replicas.jobs(*idents)}) == 1


def test_every_acknowledged_job_is_counted_and_in_the_topic(replicas):
    before = replicas.submitted()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: (replicas.one, replicas.other)[n % 2].post("/jobs", JOB, ANA), range(100)))
    idents = [answer.json()["id"] for answer in answers if answer.status == 202]
    assert len(set(idents)) == 100
    assert replicas.submitted() == before + 100
    assert sorted(decode_job(record.value).id for record in replicas.jobs(*idents)) == sorted(idents)


# --- one Idempotency-Key, one job


def at_once(*calls: Callable[[], Answer]) -> list[Answer]:
    """Make the calls from a thread each, all at the same moment."""
    start = threading.Barrier(len(calls))

    def call(one: Callable[[], Answer]) -> Answer:
        start.wait(30)
        return one()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls))


@pytest.mark.parametrize("count", [1, 2])
def test_the_same_key_twenty_times_in_parallel_is_one_job_and_one_record(replicas, count):
    services = (replicas.one, replicas.other)[:count]
    for round_ in range(5):
        key = f"parallel-{count}-{round_}"
        headers = ANA | {"Idempotency-Key": key}
        before = replicas.submitted()
        answers = at_once(*(partial(services[n % count].post, "/jobs", JOB, headers) for n in range(20)))
        ident = id_of_key("ana", key.encode())
        assert {(answer.status, answer.json()["id"]) for answer in answers} == {(202, ident)}
        assert len(replicas.jobs(ident)) == 1
        assert replicas.submitted() == before + 1


def test_without_the_key_twenty_in_parallel_are_twenty_jobs(replicas):
    """The control of the test above."""
    answers = at_once(*(lambda: replicas.one.post("/jobs", JOB, ANA) for _ in range(20)))
    idents = {answer.json()["id"] for answer in answers}
    assert len(replicas.jobs(*idents)) == len(idents) == 20


def test_the_same_key_with_another_body_is_refused_by_every_replica(replicas):
    headers = ANA | {"Idempotency-Key": "two-bodies"}
    assert replicas.one.post("/jobs", JOB, headers).status == 202
    for service in (replicas.one, replicas.other):
        answer = service.post("/jobs", {"model": "iris", "data": IRIS[:1]}, headers)
        assert (answer.status, answer.json()["type"]) == (422, "urn:lab:problem:key-reused")
    assert len(replicas.jobs(id_of_key("ana", b"two-bodies"))) == 1


# --- whose job it is


def facts(status: int, headers: dict[str, str], body: bytes) -> tuple[Any, ...]:
    """Return all of an answer that could tell one id from another: not how long it took."""
    return status, tuple((name, value) for name, value in headers.items() if name != "server-timing"), body


def test_a_thousand_tries_to_read_another_keys_job_look_as_if_there_were_none(replicas):
    idents = [replicas.one.post("/jobs", JOB, ANA).json()["id"] for _ in range(20)]
    asked = EVA | {"X-Request-ID": "same"}
    unknown = {facts(*replicas.one.get(f"/jobs/{secrets.token_hex(16)}", asked)) for _ in range(20)}
    tries = [facts(*replicas.one.get(f"/jobs/{idents[n % 20]}", asked)) for n in range(TRIES)]
    assert [status for status, *_ in tries].count(404) == TRIES
    assert set(tries) == unknown
    assert len(unknown) == 1
    assert all(replicas.one.get(f"/jobs/{ident}", ANA).status == 200 for ident in idents)


class CarelessStore(RedisJobStore):
    """A store that tells everybody of everybody's jobs."""

    async def find(self, client: str, ident: str) -> JobView | None:
        for owner in KEYS:
            found = await super().find(owner, ident)
            if found is not None:
                return found
        return None


async def test_without_the_check_of_the_owner_another_keys_job_could_be_read(built, redis, tmp_path):
    """The control of the test above: the same question to a store that does not look at the client."""
    store = CarelessStore(redis.url, 5.0, 60.0, 100.0, 100, time.monotonic)
    try:
        services = await built(kernels(), store_url=redis.url, api_keys_file=str(keys_file(tmp_path)))
        one = Wired(services, FakeLog(), store)
        ident = (await one.ask("POST", "/jobs", {"model": "iris", "data": [[1, 0, 0, 0]]})).json()["id"]
        answers: list[Received] = [
            await one.ask("GET", f"/jobs/{each}", key=KEYS["eva"], x_request_id="same") for each in (ident, "0" * 32)
        ]
    finally:
        await store.close()
    assert [answer.status for answer in answers] == [200, 404]
    assert len({facts(*answer) for answer in answers}) == 2


# --- keys


def test_keys_that_are_added_and_taken_away_count_within_a_moment_without_a_restart(tmp_path):
    path = keys_file(tmp_path)
    with running_service(tmp_path, api_keys_file=path) as service:

        def known(headers: dict[str, str]) -> bool:
            return service.get(f"/jobs/{'0' * 32}", headers).status == 503  # a known key gets as far as the store

        assert known(ANA)
        assert not known({"X-API-Key": "key-of-new"})
        keys_file(tmp_path, {"new": "key-of-new"})
        eventually(lambda: known({"X-API-Key": "key-of-new"}), within=10)
        assert not known(ANA)
        path.unlink()
        eventually(lambda: not known({"X-API-Key": "key-of-new"}), within=10)
        assert service.same_process()


# --- Kafka is away


def refused_in_time(service: Service) -> float:
    """Submit a job while Kafka is away: 503 with Retry-After; returns the seconds until then."""
    began = time.monotonic()
    answer = service.post("/jobs", JOB, ANA)
    seconds = time.monotonic() - began
    assert (answer.status, answer.json()["type"]) == (503, "urn:lab:problem:queue-away"), answer.body
    assert int(answer.headers["retry-after"]) >= 1
    assert seconds < PROTECTED
    return seconds


@contextlib.contextmanager
def predicting(service: Service) -> Iterator[list[int]]:
    """Predict again and again meanwhile; the statuses are complete at the end."""
    done, statuses = threading.Event(), []

    def predict() -> None:
        while not done.is_set():
            statuses.append(service.post("/predict", {"data": IRIS}).status)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(predict)
        try:
            yield statuses
        finally:
            done.set()
            running.result(30)


def test_a_service_whose_kafka_never_was_there_predicts_and_refuses_jobs_in_time(tmp_path, redis):
    (port,) = free_ports(1)
    given = {"store_url": redis.url, "api_keys_file": keys_file(tmp_path), "kafka": f"127.0.0.1:{port}"}
    with running_service(tmp_path, **given) as service:
        with predicting(service) as statuses:
            for _ in range(5):
                refused_in_time(service)
            answers = at_once(*(lambda: service.post("/jobs", JOB, ANA) for _ in range(20)))
        assert {answer.status for answer in answers} == {503}
        assert len(statuses) >= 20
        assert set(statuses) == {200}
        assert service.get("/readyz").json() == {
            "ready": True,
            "dependencies": {"models": "ok", "redis": "not configured", "kafka": "down", "store": "ok"},
        }
        assert service.scrape().total("jobs_submitted_total") == 0


@pytest.mark.faults
def test_while_kafka_stands_still_or_is_dead_jobs_are_refused_in_time_and_taken_again_after(tmp_path, redis, figure):
    with running_kafka(tmp_path / "kafka") as server:
        given = {"store_url": redis.url, "api_keys_file": keys_file(tmp_path), "kafka": server.servers}
        with running_service(tmp_path, **given) as service:
            accepted = []

            def taken() -> bool:
                answer = service.post("/jobs", JOB, ANA)
                if answer.status == 202:
                    accepted.append(answer.json()["id"])
                return answer.status == 202

            for fault, repair in ((server.freeze, server.thaw), (server.kill, server.start)):
                eventually(taken, within=30)
                fault()
                with predicting(service) as statuses:
                    longest = max(refused_in_time(service) for _ in range(5))
                figure(
                    f"Kafka {fault.__name__}: a submit is refused within {longest:.2f} s (bar: {REFUSED_WITHIN:g} s)"
                )
                repair()
                assert len(statuses) >= 20
                assert set(statuses) == {200}
            eventually(taken, within=30)
            assert {decode_job(record.value).id for record in server.records("jobs")} >= set(accepted)
