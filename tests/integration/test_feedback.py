"""Feedback from an answer to a row of the table: two replicas, a real Redis, a real Kafka, a real worker."""

import contextlib
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.adapters.feedback_table import FeedbackTable
from tests.eventually import eventually
from tests.feedback_topic import events
from tests.job_service import KEYS, keys_file
from tests.kafka_server import KafkaServer
from tests.redis_server import RedisServer, running_redis
from tests.sample_rows import ROWS
from tests.service import Answer, Service, running_service
from tests.worker_process import Client, Worker, running_worker

ANA = {"X-API-Key": KEYS["ana"]}
TEXT = "Qué buen servicio"


class Loop:
    """Two replicas on one store, one on another, and the table that the worker writes."""

    def __init__(self, folder: Path, kafka: KafkaServer, store: RedisServer, replicas: list[Service]) -> None:
        self.folder, self.kafka, self.store = folder, kafka, store
        self.one, self.other, self.apart = replicas
        self.database = folder / "feedback.db"
        self._table = FeedbackTable(f"sqlite:///{self.database}")

    def worker(self) -> contextlib.AbstractContextManager[Worker]:
        url = f"sqlite:///{self.database}"
        return running_worker(self.folder, self.kafka.servers, self.store.url, database_url=url)

    def lines(self, *idents: str) -> list[Any]:
        """Return what the table has of these."""
        models = ("iris", "sentiment", "diabetes")
        return [line for model in models for line in self._table.of_model(model) if line.id in idents]

    def stored(self, *idents: str) -> list[Any]:
        """Return what the table has of these, once it has them all."""

        def all_there() -> list[Any]:
            found = self.lines(*idents)
            assert len(found) == len(idents), f"{len(found)} of {len(idents)} are stored"
            return found

        return eventually(all_there, within=60, what="the feedback is in the table")

    def close(self) -> None:
        self._table.close()


@pytest.fixture(scope="module")
def loop(kafka: KafkaServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    folder = tmp_path_factory.mktemp("feedback")
    with contextlib.ExitStack() as opened:
        store, elsewhere = (
            opened.enter_context(running_redis(tmp_path_factory.mktemp(name))) for name in ("store", "elsewhere")
        )
        settings = {"kafka": kafka.servers, "store_deadline": 5.0, "api_keys_file": keys_file(folder)}
        replicas = [
            opened.enter_context(running_service(folder, replica=name, store_url=where.url, **settings))
            for name, where in (("one", store), ("other", store), ("apart", elsewhere))
        ]
        with contextlib.closing(Client(kafka, store)):  # the topics are there
            found = opened.enter_context(contextlib.closing(Loop(folder, kafka, store, replicas)))
        for service in replicas:  # the first message finds the topics
            eventually(lambda service=service: say(service, data=[ROWS["iris"]], label=0).status == 201, within=30)
        yield found


def say(service: Service, **body: Any) -> Answer:
    headers = ANA | body.pop("headers", {})
    return service.post("/feedback", {"model": "iris"} | body if "data" in body else body, headers)


def predict(service: Service, model: str, row: Any) -> str:
    """Return the request's id."""
    answer = service.post(f"/models/{model}/predict", {"data": [row]})
    assert answer.status == 200
    return answer.headers["x-request-id"]


def test_a_request_is_known_to_every_replica_and_what_was_said_of_it_gets_into_the_table(loop):
    request = predict(loop.one, "sentiment", TEXT)
    idents = []
    for service in (loop.one, loop.other):
        answer = eventually(
            lambda service=service: (
                one if (one := say(service, request_id=request, label="Negativo")).status == 201 else None
            ),
            what="the replica knows the request",
        )
        idents.append(answer.json()["id"])
    with loop.worker() as worker:
        for line in loop.stored(*idents):
            assert (line.client, line.model, line.version, line.about) == ("ana", "sentiment", "v1", request)
            assert (line.row, line.label, line.predicted) == (f'"{TEXT}"', '"Negativo"', '"Positivo"')
            assert line.verdict == "disagree"
            assert line.stored >= line.given
        counted = worker.scrape().total("feedback_total", model="sentiment", verdict="disagree")
    assert counted == 2


def test_a_replica_that_cannot_ask_the_others_knows_nothing_of_their_requests(loop):
    """The control: a replica with a store of its own; its own requests it does remember."""
    answer = say(loop.apart, request_id=predict(loop.one, "sentiment", TEXT), label="Negativo")
    assert (answer.status, answer.json()["type"]) == (404, "urn:lab:problem:unknown-request")
    assert say(loop.apart, request_id=predict(loop.apart, "sentiment", TEXT), label="Negativo").status == 201


def test_the_same_key_twenty_times_at_once_on_both_replicas_is_one_row(loop):
    give = partial(say, data=[ROWS["iris"]], label=0, headers={"Idempotency-Key": "twenty"})
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(give, [loop.one, loop.other] * 10))
    (ident,) = {answer.json()["id"] for answer in answers if answer.status == 201}
    assert len([answer for answer in answers if answer.status == 201]) == 20
    assert ident in [event.id for event in events(loop.kafka)]
    with loop.worker():
        loop.stored(ident)
        # What comes after the last of them shows that all of them have been seen to.
        last = [say(loop.one, data=[ROWS["iris"]], label=0).json()["id"] for _ in range(2)]
        loop.stored(*last)
    assert len(loop.lines(ident)) == 1


def test_twenty_without_a_key_are_twenty_rows(loop):
    """The control of the test above."""
    idents = {say(loop.one, data=[ROWS["iris"]], label=0).json()["id"] for _ in range(20)}
    with loop.worker():
        assert len(loop.stored(*idents)) == 20


def test_what_is_no_feedback_is_put_aside_and_the_next_is_stored(loop):
    with contextlib.closing(Client(loop.kafka, loop.store)) as client, loop.worker():
        producer = client._producer
        bad = [b"{", b'{"id": "x"}', b"\xff\x00", b"[" * 100_000]
        places = [producer.send("feedback", value, b"ana").get(20) for value in bad]
        ident = say(loop.other, data=[ROWS["iris"]], label=0).json()["id"]
        loop.stored(ident)
        wanted = {f"feedback/{place.partition}/{place.offset}": value for place, value in zip(places, bad, strict=True)}

        def put_aside() -> dict[str, tuple[bytes, bytes]]:
            found = {}
            for letter in loop.kafka.records("jobs.dlq"):
                headers = dict(letter.headers)
                if (source := headers.get("dead-letter-source", b"").decode()) in wanted:
                    found[source] = letter.value, headers["dead-letter-reason"]
            assert found.keys() == wanted.keys()
            return found

        for source, (value, reason) in eventually(put_aside, within=30).items():
            assert (value, reason[:11]) == (wanted[source], b"unreadable:")


@pytest.mark.faults
def test_feedback_is_not_lost_while_the_table_is_locked_nor_are_jobs_held_up(loop):
    with loop.worker() as worker:
        first = say(loop.one, data=[ROWS["iris"]], label=0).json()["id"]
        loop.stored(first)
        with contextlib.closing(sqlite3.connect(loop.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            idents = [say(loop.one, data=[ROWS["iris"]], label=n % 3).json()["id"] for n in range(30)]
            eventually(lambda: worker.scrape().total("messages_retried_total", topic="feedback") >= 2, within=30)
            job = loop.one.post("/jobs", {"model": "iris", "data": [ROWS["iris"]]}, ANA).json()["id"]
            eventually(lambda: loop.one.get(f"/jobs/{job}", ANA).json()["status"] == "done", within=30)
            assert loop.lines(*idents) == []
            other.execute("ROLLBACK")
        loop.stored(*idents)


@pytest.mark.faults
def test_feedback_is_not_lost_when_the_worker_dies_while_the_table_is_locked(loop):
    with loop.worker() as worker, contextlib.closing(sqlite3.connect(loop.database, isolation_level=None)) as other:
        first = say(loop.one, data=[ROWS["iris"]], label=0).json()["id"]
        loop.stored(first)
        other.execute("BEGIN IMMEDIATE")
        idents = [say(loop.one, data=[ROWS["iris"]], label=n % 3).json()["id"] for n in range(5)]
        eventually(lambda: worker.scrape().total("messages_retried_total", topic="feedback") >= 1, within=30)
        worker.kill()
        other.execute("ROLLBACK")
    with loop.worker():
        loop.stored(*idents)
