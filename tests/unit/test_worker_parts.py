"""The parts of the worker that need neither Kafka nor Redis."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from app.core.backoff import FIRST_SECONDS, Backoff
from app.core.errors import QueueAway, StoreAway, UnusableInput
from app.core.jobs import decode_result
from app.core.model import Answer
from app.core.ports import Message
from app.core.registry import Registry
from app.core.topics import DEAD_LETTERS, REASON, REQUEST_ID, RESULTS, SOURCE
from app.telemetry.metrics import Metrics
from app.worker.dead_letters import CUT, DeadLetter, DeadLetters
from app.worker.job_batch import answered, result
from app.worker.jobs import JobHandler
from app.worker.offsets import Offsets
from app.worker.records import WorkerLog
from tests.fake_events import FakeEvents
from tests.fake_models import FakeKernel, by_first_number, info, kernels
from tests.service import Scrape

NOW = 1000.0


def record(value: bytes | None, offset: int = 0, key: bytes | None = b"ana", headers: Any = ()) -> ConsumerRecord:
    return ConsumerRecord("jobs", 0, -1, offset, 0, 0, key, value, list(headers), None, 0, 0, 0)


def job(ident: str, model: str = "iris", rows: Any = ((1, 0, 0, 0),), **changes: Any) -> bytes:
    whole = {"id": ident, "client": "ana", "model": model, "data": rows, "request_id": "r", "accepted": NOW - 2}
    return json.dumps(whole | changes).encode()


class FakeStore:
    """A ResultStore in memory; `away`: it refuses."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.away = False

    def keep_first(self, results: Sequence[tuple[str, bytes]]) -> list[bytes | None]:
        if self.away:
            raise StoreAway("away")
        earlier = []
        for ident, value in results:
            earlier.append(self.kept.get(ident))
            self.kept.setdefault(ident, value)
        return earlier

    def reachable(self) -> bool:
        return not self.away


class FakePublisher:
    """A Publisher that remembers; `away`: it refuses."""

    def __init__(self) -> None:
        self.sent: dict[str, list[Message]] = {RESULTS: [], DEAD_LETTERS: []}
        self.away = False

    def publish(self, topic: str, messages: Sequence[Message]) -> None:
        if self.away:
            raise QueueAway("away")
        self.sent[topic] += messages


class Parts:
    """A JobHandler among fakes."""

    def __init__(self, models: list[Any] | None = None) -> None:
        self.store, self.publisher, self.metrics = FakeStore(), FakePublisher(), Metrics()
        self.events = FakeEvents()
        self.handler = JobHandler(
            Registry(kernels() if models is None else models),
            self.store,
            self.publisher,
            DeadLetters(self.publisher, self.metrics),
            WorkerLog(self.events, "worker-1"),
            self.metrics,
            lambda: NOW,
            most=8,
            most_rows=100,
        )

    def finished(self, model: str, outcome: str) -> int:
        return self.metrics.counter("jobs_finished_total", model, outcome).value


def test_jobs_of_one_version_are_answered_by_one_call() -> None:
    iris, forest = FakeKernel(info(), by_first_number), FakeKernel(info("forest"), by_first_number)
    parts = Parts([iris, forest])
    values = [job("a", rows=[[1, 0, 0, 0]]), job("b", "forest", [[2, 0, 0, 0]]), job("c", rows=[[2, 0, 0, 0], [0] * 4])]
    parts.handler.handle([record(value, offset) for offset, value in enumerate(values)])
    assert (iris.calls, forest.calls) == ([3], [1])
    assert [decode_result(message.value or b"").result for message in parts.publisher.sent[RESULTS]] == [
        [1],
        [2],
        [2, 0],
    ]
    assert decode_result(parts.store.kept["c"]).result == [2, 0]


def test_a_call_has_no_more_rows_than_allowed_and_a_job_is_never_split() -> None:
    iris = FakeKernel(info(), by_first_number)
    records = [record(job(str(number), rows=[[1, 0, 0, 0]] * 3)) for number in range(5)]
    entries = answered(records, Registry([iris]), lambda kernel, rows: kernel.predict(rows), 8, 7)
    assert iris.calls == [6, 6, 3]
    assert all(entry.answer is not None and entry.answer.result == [1, 1, 1] for entry in entries)


@pytest.mark.parametrize(
    ("error", "reason"), [(UnusableInput("too large"), "unusable-input"), (ZeroDivisionError("oops"), "failed")]
)
def test_the_job_that_spoils_a_call_is_put_aside_and_the_others_are_answered(error: Exception, reason: str) -> None:
    def spoilt(rows: list[Any]) -> Answer:
        if any(row[0] == 7 for row in rows):
            raise error
        return by_first_number(rows)

    parts = Parts([FakeKernel(info(), spoilt)])
    values = [job("a"), job("b", rows=[[7, 0, 0, 0]]), job("c")]
    parts.handler.handle([record(value, offset) for offset, value in enumerate(values)])
    assert {ident: decode_result(kept).status for ident, kept in parts.store.kept.items()} == {
        "a": "done",
        "b": "failed",
        "c": "done",
    }
    (letter,) = parts.publisher.sent[DEAD_LETTERS]
    assert letter.value == values[1]
    assert dict(letter.headers)[REASON].startswith(f"{reason}: ".encode())
    assert dict(letter.headers)[SOURCE] == b"jobs/0/1"
    assert (parts.finished("iris", "done"), parts.finished("iris", "failed")) == (2, 1)
    assert parts.metrics.counter("dead_letters_total", "jobs", reason).value == 1


def test_a_name_that_somebody_made_up_becomes_no_series() -> None:
    parts = Parts()
    parts.handler.handle([record(job("a", model="made-up"))])
    assert parts.finished("unknown", "failed") == 1
    assert b"made-up" not in parts.metrics.exposition()


def test_the_first_result_stands_and_is_published_again() -> None:
    parts = Parts()
    parts.handler.handle([record(job("a", rows=[[1, 0, 0, 0]]))])
    parts.handler.handle([record(job("a", rows=[[2, 0, 0, 0]]))])
    first, second = parts.publisher.sent[RESULTS]
    assert first.value == second.value == parts.store.kept["a"]
    assert decode_result(parts.store.kept["a"]).result == [1]
    assert (parts.finished("iris", "done"), parts.finished("iris", "duplicate")) == (1, 1)


def test_each_message_that_is_done_with_leaves_one_record() -> None:
    parts = Parts()
    header = [(REQUEST_ID, b"from-the-header")]
    values = [job("a"), job("a"), job("b", model="oak"), b"poison", job("c", rows=[[1]])]
    parts.handler.handle([record(value, 7 + place, headers=header) for place, value in enumerate(values)])
    found = {one["_offset"]: one for one in parts.events.records}
    assert len(found) == len(parts.events.records) == len(values)
    assert found[7] == {
        "_event": "job",
        "version": "1.1",
        "host": "worker-1",
        "short_message": "job a done",
        "timestamp": NOW,
        "level": 6,
        "_request_id": "r",
        "_job_id": "a",
        "_client": "ana",
        "_model": "iris",
        "_model_version": "v1",
        "_outcome": "done",
        "_reason": "",
        "_topic": "jobs",
        "_partition": 0,
        "_offset": 7,
        "_wait_ms": 2000,
        "_duration_us": 0,
    }
    facts = {place: (one["_outcome"], one["_reason"], one["_request_id"], one["level"]) for place, one in found.items()}
    assert facts[8] == ("duplicate", "", "r", 6)
    assert facts[9] == ("failed", "unknown-model", "r", 4)
    assert facts[10] == ("unreadable", "unreadable", "from-the-header", 4)
    assert facts[11] == ("failed", "wrong-shape", "r", 4)
    finished = Scrape(parts.metrics.exposition().decode())
    for outcome in ("done", "duplicate", "failed", "unreadable"):
        counted = finished.total("jobs_finished_total", outcome=outcome)
        assert counted == sum(one["_outcome"] == outcome for one in found.values())


@pytest.mark.parametrize("away", ["store", "publisher"])
def test_what_cannot_be_kept_now_raises_and_is_counted_only_when_it_comes_again(away: str) -> None:
    parts = Parts()
    records = [record(job("a")), record(b"poison", 1)]
    part: Any = getattr(parts, away)
    part.away = True
    with pytest.raises((StoreAway, QueueAway)):
        parts.handler.handle(records)
    assert b"jobs_finished_total{" not in parts.metrics.exposition()
    assert parts.events.records == []
    part.away = False
    parts.handler.handle(records)
    assert len(parts.publisher.sent[DEAD_LETTERS]) == 1
    assert decode_result(parts.store.kept["a"]).status == "done"
    assert parts.finished("unknown", "unreadable") == 1


@pytest.mark.parametrize(
    "value", [None, b"", b"null", b"[]", b'{"id":"a"}', b'{"id":"","client":"ana"}', b'{"id":1,"client":"ana"}']
)
def test_nobody_is_told_of_a_message_without_id_and_client(value: bytes | None) -> None:
    (entry,) = answered([record(value)], Registry(kernels()), lambda kernel, rows: kernel.predict(rows), 8, 8)
    assert entry.reason == "unreadable"
    assert result(entry, NOW) is None


def test_the_owner_of_a_broken_job_is_told_when_id_and_client_are_readable() -> None:
    value = b'{"id":"a","client":"ana","model":5}'
    (entry,) = answered([record(value)], Registry(kernels()), lambda kernel, rows: kernel.predict(rows), 8, 8)
    assert result(entry, NOW) is None  # the model's name is no text: no result can carry it
    value = b'{"id":"a","client":"ana","model":"iris"}'
    (entry,) = answered([record(value)], Registry(kernels()), lambda kernel, rows: kernel.predict(rows), 8, 8)
    told = result(entry, NOW)
    assert told is not None
    assert (told.id, told.client, told.model, told.status) == ("a", "ana", "iris", "failed")
    assert "data" in told.reason


def test_a_dead_letter_is_never_too_large_for_kafka() -> None:
    publisher = FakePublisher()
    letters = DeadLetters(publisher, Metrics())
    letters.put_aside([DeadLetter(record(b"x" * 1_050_000), "unreadable", "é" * 5000)])
    letters.put_aside([DeadLetter(record(None, key=None, headers=[("request-id", None)]), "unreadable", "nothing")])
    large, nothing = publisher.sent[DEAD_LETTERS]
    assert len(large.value or b"") == 1_000_000
    assert dict(large.headers)[CUT] == b"1050000"
    assert len(dict(large.headers)[REASON]) < 3000
    assert (nothing.key, nothing.value) == (None, b"")
    assert [name for name, _ in nothing.headers] == [REASON, SOURCE]


def test_pauses_double_up_to_the_longest_and_end_with_a_success() -> None:
    backoff = Backoff(0.3)
    assert [backoff.failed(10.0) for _ in range(5)] == [FIRST_SECONDS, 0.1, 0.2, 0.3, 0.3]
    assert backoff.until == 10.3
    backoff.succeeded()
    assert backoff.until == 0.0
    assert backoff.failed(20.0) == FIRST_SECONDS


def test_offsets_remember_what_is_not_committed_yet() -> None:
    one, other = TopicPartition("jobs", 0), TopicPartition("feedback", 1)
    offsets = Offsets()
    offsets.handled(one, 9, 10)
    offsets.handled(one, 11, 2)
    offsets.handled(other, 4, 5)
    assert {place: told.offset for place, told in offsets.uncommitted().items()} == {one: 12, other: 5}
    assert offsets.committed() == {"jobs": 12, "feedback": 5}
    assert offsets.uncommitted() == {}


def test_lag_is_from_what_is_handled_to_the_end_and_nothing_for_what_is_not_ours() -> None:
    one = TopicPartition("jobs", 0)
    offsets = Offsets()
    offsets.look(one, None)
    assert offsets.lag == {one: 0}
    offsets.put_back(one, 5)
    offsets.look(one, 25)
    assert offsets.lag == {one: 20}
    offsets.handled(one, 14, 10)
    offsets.look(one, 25)
    assert offsets.lag == {one: 10}
    offsets.forget()
    assert offsets.lag == {one: 0}
    assert offsets.uncommitted() == {}
