"""Deaths and outages around a worker: every job is answered all the same, once for all to see."""

import contextlib
import json
import signal
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.topics import RESULTS
from tests.eventually import eventually
from tests.kafka_server import KafkaServer, running_kafka
from tests.redis_server import RedisServer, running_redis
from tests.sample_rows import ROWS
from tests.service import end
from tests.worker_process import Client, Worker, running_worker

pytestmark = pytest.mark.faults

MODELS = ("iris", "diabetes", "sentiment")
# Without Kafka and Redis a worker ends within a few seconds all the same; beyond this it would be killed.
DRAIN_SECONDS = 10.0


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    with running_kafka(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def client(kafka: KafkaServer, store: RedisServer) -> Iterator[Client]:
    one = Client(kafka, store)
    yield one
    one.close()


def submit(client: Client, count: int) -> list[str]:
    """Hand in jobs of several models and clients; return their ids."""
    return [
        client.submit(model, [ROWS[model]], client=f"client-{number % 7}")
        for number, model in zip(range(count), MODELS * count, strict=False)
    ]


def answers_told(kafka: KafkaServer) -> dict[str, set[bytes]]:
    """Return the different answers that the topic `results` holds for each job."""
    told: defaultdict[str, set[bytes]] = defaultdict(set)
    for record in kafka.records(RESULTS):
        told[json.loads(record.value)["id"]].add(record.value)
    return told


def assert_answered_once(idents: list[str], client: Client, kafka: KafkaServer, within: float = 40.0) -> None:
    client.answers(idents, within=within)
    eventually(client.all_committed, within=within, what="all offsets are committed")
    told = answers_told(kafka)
    assert {ident: len(told[ident]) for ident in idents} == dict.fromkeys(idents, 1)


@pytest.mark.parametrize("fault", ["freeze", "kill"])
def test_a_store_that_is_away_loses_nothing(
    fault: str, client: Client, kafka: KafkaServer, store: RedisServer, tmp_path: Path
) -> None:
    with running_worker(tmp_path, kafka.servers, store.url) as worker:
        getattr(store, fault)()
        try:
            idents = submit(client, 100)
            client.flush()
            eventually(lambda: worker.scrape().total("messages_retried_total", topic="jobs") >= 2)
            assert worker.get("/readyz")[0] == 503
            assert worker.get("/healthz")[0] == 200
        finally:
            if fault == "freeze":
                store.thaw()
            else:
                store.start()
        assert_answered_once(idents, client, kafka)
        assert worker.scrape().total("jobs_finished_total", outcome="done") == 100
        eventually(lambda: worker.get("/readyz")[0] == 200, what="the worker is ready again")


def test_sigterm_finishes_commits_and_leaves(
    client: Client, kafka: KafkaServer, store: RedisServer, tmp_path: Path
) -> None:
    with running_worker(tmp_path, kafka.servers, store.url, worker_batch=50) as worker:
        idents = submit(client, 3000)
        client.flush()
        eventually(lambda: worker.scrape().total("messages_consumed_total", topic="jobs") >= 100, every=0.01)
        assert worker.stop() == 0
    assert any(client.answer(ident) is None for ident in idents), "all was done before the signal: nothing is shown"
    done = sum(client.answer(ident) is not None for ident in idents)
    with running_worker(tmp_path, kafka.servers, store.url, name="next") as successor:
        assert_answered_once(idents, client, kafka)
        # What the first one had answered was committed: nobody did it again.
        scrape = successor.scrape()
        assert scrape.total("jobs_finished_total", outcome="duplicate") == 0
        assert scrape.total("jobs_finished_total", outcome="done") == len(idents) - done


def test_a_worker_waits_for_kafka_and_ends_when_told(tmp_path: Path) -> None:
    (tmp_path / "kafka").mkdir()
    kafka = KafkaServer(tmp_path / "kafka")
    with running_redis(tmp_path) as store:
        waiting = Worker(tmp_path, kafka.servers, store.url)
        eventually(lambda: b'"kafka":"down"' in waiting.get("/readyz")[1], within=60, what="it says what is away")
        eventually(lambda: "trying on" in waiting.log.read_text(), what="it logs what it waits for")
        assert waiting.stop(DRAIN_SECONDS) == 0
        with worker_before_kafka(kafka, store, tmp_path) as (worker, client):
            ident = client.submit("iris", [ROWS["iris"]])
            client.answers([ident])
            kafka.freeze()
            try:
                assert worker.stop(DRAIN_SECONDS) == 0, "frozen Kafka keeps it from ending"
            finally:
                kafka.thaw()


@contextlib.contextmanager
def worker_before_kafka(kafka: KafkaServer, store: RedisServer, folder: Path) -> Iterator[tuple[Worker, Client]]:
    worker = Worker(folder, kafka.servers, store.url, name="early")
    with contextlib.closing(kafka):
        try:
            eventually(lambda: b'"kafka":"down"' in worker.get("/readyz")[1], within=60)
            kafka.start()
            worker.wait_ready()
            with contextlib.closing(Client(kafka, store)) as client:
                yield worker, client
        finally:
            end(worker.process)


def test_workers_that_come_and_go_lose_and_repeat_nothing(
    client: Client, kafka: KafkaServer, store: RedisServer, tmp_path: Path
) -> None:
    idents = []
    with running_worker(tmp_path, kafka.servers, store.url, name="first", worker_batch=20) as first:
        idents += submit(client, 300)
        with running_worker(tmp_path, kafka.servers, store.url, name="second", worker_batch=20) as second:
            idents += submit(client, 300)
            client.answers(idents)
            idents += submit(client, 300)
            client.answers(idents)
            eventually(lambda: second.scrape().total("jobs_finished_total") > 0, what="the second has work too")
            idents += submit(client, 600)
            client.flush()
        idents += submit(client, 100)
        assert_answered_once(idents, client, kafka)
        # Handed over by a commit each time, not by a death: nothing was done twice.
        assert first.scrape().total("jobs_finished_total", outcome="duplicate") == 0


@pytest.mark.parametrize(
    ("module", "survive"), [("app.worker", True), ("tests.integration.careless_worker hasty", False)]
)
def test_what_a_killed_worker_had_in_hand_is_answered_by_the_next(
    module: str, survive: bool, client: Client, kafka: KafkaServer, store: RedisServer, tmp_path: Path
) -> None:
    """The control commits before it stores, and loses the jobs. (A frozen Redis would yet carry out what it got.)"""
    with running_worker(tmp_path, kafka.servers, store.url, module=module) as worker:
        client.answers([client.submit("iris", [ROWS["iris"]])])
        store.kill()
        try:
            idents = submit(client, 50)
            client.flush()
            eventually(
                lambda: worker.scrape().total("messages_retried_total", topic="jobs") >= 1, what="they are in hand"
            )
            worker.kill()
        finally:
            store.start()
    with running_worker(tmp_path, kafka.servers, store.url, name="next"):
        last = [client.submit("iris", [ROWS["iris"]], client=f"client-{number}") for number in range(7)]
        client.answers(last, within=60)
        if survive:
            assert_answered_once(idents, client, kafka)
        else:
            assert any(client.answer(ident) is None for ident in idents)


def test_the_others_take_over_from_a_killed_worker(
    client: Client, kafka: KafkaServer, store: RedisServer, tmp_path: Path
) -> None:
    with (
        running_worker(tmp_path, kafka.servers, store.url, name="first", worker_batch=20) as first,
        running_worker(tmp_path, kafka.servers, store.url, name="second", worker_batch=20),
    ):
        idents = submit(client, 500)
        client.answers(idents)
        idents += submit(client, 500)
        client.flush()
        first.send(signal.SIGKILL)
        first.process.wait(10)
        assert_answered_once(idents, client, kafka)
