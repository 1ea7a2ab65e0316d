"""The worker's side of feedback: judged, stored once, counted once; what cannot be is put aside."""

import json
from typing import Any, NamedTuple

import pytest

from app.adapters.feedback_table import FeedbackTable
from app.core.errors import QueueAway, TableAway, UnusableInput
from app.core.model import Answer
from app.core.ports import Message
from app.core.registry import Registry
from app.core.topics import DEAD_LETTERS
from app.telemetry.metrics import Metrics
from app.worker.dead_letters import DeadLetters
from app.worker.feedback import FeedbackHandler
from app.worker.records import WorkerLog
from tests.fake_events import FakeEvents
from tests.fake_models import FakeKernel, by_first_number, info, kernels, text_info
from tests.service import Scrape


class Record(NamedTuple):
    """What the handler looks at of a consumer's record."""

    value: bytes | None
    offset: int = 0
    topic: str = "feedback"
    partition: int = 0
    key: bytes = b"ana"
    headers: tuple[tuple[str, bytes], ...] = ()


def record(**changes: Any) -> Record:
    facts = {
        "id": "a" * 32,
        "client": "ana",
        "model": "iris",
        "row": [1, 2, 3, 4],
        "label": 1,
        "request_id": "r",
        "given": 1000.0,
    }
    return Record(json.dumps(facts | changes).encode())


class FakePublisher:
    def __init__(self) -> None:
        self.published: list[tuple[str, Message]] = []
        self.away = False

    def publish(self, topic: str, messages: Any) -> None:
        if self.away:
            raise QueueAway("Kafka is away")
        self.published += [(topic, message) for message in messages]


class Bench:
    """A handler with fake models and a real table."""

    def __init__(self, folder: Any, served: list[Any] | None = None) -> None:
        self.metrics = Metrics()
        self.publisher = FakePublisher()
        self.kernels = kernels() if served is None else served
        self.table = FeedbackTable(f"sqlite:///{folder / 'feedback.db'}")
        dead_letters = DeadLetters(self.publisher, self.metrics)
        self.events = FakeEvents()
        log = WorkerLog(self.events, "worker-1")
        registry = Registry(self.kernels)
        self.handler = FeedbackHandler(registry, self.table, dead_letters, log, self.metrics, lambda: 2000.0)

    def handle(self, *records: Record) -> None:
        self.handler.handle(list(records))

    def stored(self, model: str = "iris") -> list[Any]:
        return list(self.table.of_model(model))

    def counted(self, **labels: str) -> float:
        return Scrape(self.metrics.exposition().decode()).total("feedback_total", **labels)

    def reasons(self) -> list[str]:
        """Of the dead letters, with the topic that each stands in."""
        assert all(topic == DEAD_LETTERS for topic, _ in self.publisher.published)
        return [dict(message.headers)["dead-letter-reason"].decode() for _, message in self.publisher.published]


@pytest.fixture
def bench(tmp_path):
    opened = Bench(tmp_path)
    yield opened
    opened.table.close()


def test_what_was_predicted_is_held_against_the_label(bench):
    bench.handle(
        record(id="1", predicted=1, version="v1", about="the-request"),
        record(id="2", predicted=2, version="v1", given=1001.0),
    )
    first, second = bench.stored()
    assert (first.verdict, second.verdict) == ("agree", "disagree")
    assert (first.about, first.version, first.predicted, first.label, first.row) == (
        *("the-request", "v1", "1", "1"),
        "[1.0,2.0,3.0,4.0]",
    )
    assert (first.client, first.given, first.stored) == ("ana", 1000.0, 2000.0)
    assert bench.counted(model="iris", verdict="agree") == bench.counted(model="iris", verdict="disagree") == 1
    assert bench.kernels[0].calls == []


def test_what_is_not_known_the_models_are_asked_with_one_call_each(bench):
    rows = [record(id=f"i{n}", row=[n, 0, 0, 0]) for n in range(5)]
    texts = [record(id=f"t{n}", model="sentiment", row="a" * n, label="Neutral") for n in range(4)]
    bench.handle(*rows, *texts)
    assert bench.kernels[0].calls == [5]
    assert bench.kernels[-1].calls == [4]
    assert [(one.predicted, one.version) for one in bench.stored()] == [(str(n % 3), "v1") for n in range(5)]
    assert sorted(one.predicted for one in bench.stored("sentiment")) == sorted(
        f'"{mood}"' for mood in ("Negativo", "Neutral", "Positivo", "Negativo")
    )


def test_a_version_that_is_gone_is_judged_by_the_labels_of_the_stable_one(bench):
    bench.handle(record(predicted=1, version="v9"))
    assert [(one.version, one.verdict) for one in bench.stored()] == [("v9", "agree")]


def test_delivered_again_it_is_one_line_and_counted_once(bench):
    for _ in range(3):
        bench.handle(record(predicted=1, version="v1"), record(predicted=1, version="v1"))
    assert len(bench.stored()) == 1
    assert bench.counted() == 1


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Record(None), "unreadable: the message is no feedback"),
        (Record(b""), "unreadable: the message is no feedback"),
        (Record(b"{}"), "unreadable: the message is no feedback"),
        (Record(b"\xff\xfe"), "unreadable: the message is no feedback"),
        (Record(b"[" * 100_000), "unreadable: the message is no feedback"),
        (record(client="a\0b"), "unreadable: the message is no feedback (a name with a NUL in it)"),
        (record(model="nobody"), "unknown-model: no model 'nobody'"),
        (record(row=[1]), "wrong-shape: row 0 has 1 numbers; iris takes 4"),
        (record(row="text"), "wrong-shape: Expected"),
        (record(label=7), "wrong-shape: label 7: iris has 0 to 2"),
    ],
    ids=range(10),
)
def test_what_cannot_be_stored_is_put_aside_with_the_reason_and_the_rest_goes_on(bench, bad, reason):
    bench.handle(record(id="before"), bad, record(id="after"))
    assert sorted(one.id for one in bench.stored()) == ["after", "before"]
    (said,) = bench.reasons()
    assert said.startswith(reason)
    assert bench.publisher.published[0][1].value == bad.value


def test_a_row_that_a_model_cannot_answer_is_put_aside_alone(tmp_path):
    def picky(rows):
        for row in rows:
            if row[0] == 13:
                raise UnusableInput("13")
            if row[0] == 14:
                raise ArithmeticError
        return by_first_number(rows)

    bench = Bench(tmp_path, [FakeKernel(info(), picky)])
    bench.handle(*(record(id=str(n), row=[n, 0, 0, 0]) for n in range(12, 16)))
    assert sorted(one.id for one in bench.stored()) == ["12", "15"]
    assert bench.reasons() == ["unusable-input: 13", "failed: the model failed on this row (ArithmeticError)"]
    bench.table.close()


def test_while_the_table_is_away_all_come_again_and_nothing_is_put_aside_before(tmp_path):
    bench = Bench(tmp_path / "not-there-yet")
    with pytest.raises(TableAway):
        bench.handle(record(), Record(b"{}"))
    assert (bench.counted(), bench.publisher.published) == (0, [])
    (tmp_path / "not-there-yet").mkdir()
    bench.handle(record(), Record(b"{}"))
    assert (bench.counted(), len(bench.reasons()), len(bench.stored())) == (1, 1, 1)
    bench.table.close()


def test_each_message_that_is_done_with_leaves_one_record(bench):
    headers = (("request-id", b"from-the-header"),)
    bench.handle(
        record(id="1", predicted=1, version="v1", about="the-request")._replace(offset=5),
        record(id="1", predicted=1, version="v1")._replace(offset=6),
        record(id="2", model="oak", request_id="")._replace(offset=7, headers=headers),
        Record(b"\xff", 8, headers=headers),
    )
    found = {one["_offset"]: one for one in bench.events.records}
    assert len(found) == len(bench.events.records) == 4
    assert found[5] == {
        "_event": "feedback",
        "version": "1.1",
        "host": "worker-1",
        "short_message": "feedback 1 stored",
        "timestamp": 2000.0,
        "level": 6,
        "_request_id": "r",
        "_feedback_id": "1",
        "_about": "the-request",
        "_client": "ana",
        "_model": "iris",
        "_model_version": "v1",
        "_outcome": "stored",
        "_verdict": "agree",
        "_reason": "",
        "_topic": "feedback",
        "_partition": 0,
        "_offset": 5,
        "_wait_ms": 1_000_000,
        "_duration_us": 0,
    }
    facts = {place: (one["_outcome"], one["_reason"], one["_request_id"]) for place, one in found.items()}
    assert facts[6] == ("duplicate", "", "r")
    assert facts[7] == ("unusable", "unknown-model", "from-the-header")
    assert facts[8] == ("unusable", "unreadable", "from-the-header")


def test_what_comes_again_because_the_dead_letters_did_not_go_is_not_counted_twice(bench):
    bench.publisher.away = True
    with pytest.raises(QueueAway):
        bench.handle(record(), Record(b"{}"))
    bench.publisher.away = False
    bench.handle(record(), Record(b"{}"))
    assert (bench.counted(), len(bench.stored()), len(bench.reasons())) == (1, 1, 1)


def test_a_text_is_stored_as_it_is(tmp_path):
    text = 'El "peor" día…\n\0 👎'
    bench = Bench(tmp_path, [FakeKernel(text_info(), lambda rows: Answer(["Neutral"] * len(rows), [0.5] * len(rows)))])
    bench.handle(record(model="sentiment", row=text, label="Negativo"))
    (line,) = bench.stored("sentiment")
    assert (json.loads(line.row), line.label, line.predicted) == (text, '"Negativo"', '"Neutral"')
    bench.table.close()
