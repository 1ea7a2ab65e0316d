"""Recording what a stack says, and playing it."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from kafka import TopicPartition

from labkit.errors import CannotRun
from labkit.kafka.facts import Lag
from notebooks.source import http
from notebooks.source.jobs import questions_until_done
from notebooks.source.kafka import Record, RecordingKafka, ReplayedKafka, Stored, _Known, shares, take
from notebooks.source.opening import SAMPLES, Live, Recorded, open_source
from notebooks.source.tape import NotRecorded, Tape

NOTEBOOKS = sorted(path.name for path in SAMPLES.iterdir() if path.is_dir())


def test_answers_come_in_their_order_and_the_last_one_stays(tmp_path):
    tape = Tape.blank(tmp_path / "tape.json")
    for answer in (1, 2):
        tape.add("how many?", answer)
    played = Tape.read(tmp_path / "tape.json")
    assert [played.answer("how many?") for _ in range(3)] == [1, 2, 2]


def test_what_was_not_recorded_is_told_with_the_next_step(tmp_path):
    Tape.blank(tmp_path / "tape.json").add("once", 1)
    played = Tape.read(tmp_path / "tape.json")
    with pytest.raises(NotRecorded, match="no answer to never; next: lab up"):
        played.answer("never")
    assert played.answer("once", repeat=False) == 1
    with pytest.raises(NotRecorded, match="all were given; next: run the notebook from its top"):
        played.answer("once", repeat=False)


def test_a_tape_that_is_damaged_is_told(tmp_path):
    (tmp_path / "tape.json").write_text("[")
    with pytest.raises(CannotRun, match="next: git checkout notebooks/samples"):
        Tape.read(tmp_path / "tape.json")


def recorded(tmp_path: Path) -> http.Client:
    """Return a recording client whose service says what it was sent."""

    def echo(request: httpx.Request) -> httpx.Response:
        said = {"path": request.url.path, "body": request.content.decode()}
        headers = {"x-request-id": "a", "set-cookie": "secret"}
        return httpx.Response(200, stream=httpx.ByteStream(json.dumps(said).encode()), headers=headers)

    return http.recording("http://127.0.0.1:1", Tape.blank(tmp_path / "api.json"), httpx.MockTransport(echo))


def test_an_exchange_is_played_as_it_was_with_the_time_that_it_took(tmp_path):
    with recorded(tmp_path) as api:
        real = api.post("/predict", json={"data": [[1]]}, headers={"X-API-Key": "hidden", "Idempotency-Key": "a"})
    with http.replayed(Tape.read(tmp_path / "api.json")) as api:
        played = api.post("/predict", json={"data": [[1]]}, headers={"X-API-Key": "other", "Idempotency-Key": "b"})
    assert (played.status_code, played.json(), played.headers["x-request-id"]) == (200, real.json(), "a")
    assert played.elapsed.total_seconds() == pytest.approx(real.elapsed.total_seconds(), abs=1e-6)


def test_a_recording_keeps_no_key_no_cookie_and_no_host(tmp_path):
    with recorded(tmp_path) as api:
        api.get("/models", headers={"X-API-Key": "hidden"})
    text = (tmp_path / "api.json").read_text()
    assert "GET /models with a key" in text
    assert not any(word in text for word in ("hidden", "secret", "127.0.0.1"))


def test_another_body_another_query_and_a_missing_key_are_other_questions():
    asked = [
        http.question(httpx.Request("POST", "http://h/p", json={"a": 1})),
        http.question(httpx.Request("POST", "http://h/p", json={"a": 2})),
        http.question(httpx.Request("POST", "http://h/p", content="a=1")),
        http.question(httpx.Request("POST", "http://h/p?q=1", json={"a": 1})),
        http.question(httpx.Request("POST", "http://h/p", json={"a": 1}, headers={"X-API-Key": "k"})),
    ]
    assert len(set(asked)) == len(asked)


def test_a_job_is_asked_for_until_it_has_ended():
    states = iter(["queued", "queued", "done"])
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"status": next(states)}))
    with httpx.Client(transport=transport, base_url="http://h") as api:
        found = questions_until_done(api, "/jobs/1", {})
    assert [one.json()["status"] for one in found] == ["queued", "queued", "done"]


class FakeConsumer:
    """A consumer whose polls were decided before."""

    def __init__(self, polls: list[list[Record]], assigned: list[set[TopicPartition]]) -> None:
        self.polls, self.assigned, self.committed = polls, assigned, 0

    def poll(self, timeout_ms: int = 0, max_records: int | None = None) -> dict[Any, list[Any]]:
        records = self.polls.pop(0) if self.polls else []
        return {TopicPartition(records[0].topic, records[0].partition): records} if records else {}

    def commit(self) -> None:
        self.committed += 1

    def assignment(self) -> set[TopicPartition]:
        return self.assigned.pop(0)

    def close(self) -> None:
        pass


class FakeKafka:
    """A broker with one consumer's messages."""

    topic = "notebook-1"

    def __init__(self, consumer: FakeConsumer) -> None:
        self._consumer = consumer

    def producer(self) -> Any:
        return self

    def send(self, topic: str, value: bytes, key: bytes) -> Any:
        return _Known(Stored(topic, 2, 7))

    def consumer(self, _group: str) -> Any:
        return self._consumer

    def lag(self, group: str) -> tuple[Lag, ...]:
        return (Lag(group, self.topic, 0, None, None, 0, 4),)

    def close(self) -> None:
        pass


def use(kafka: Any) -> tuple[Any, ...]:
    """Return all that a notebook sees of a topic."""
    stored = kafka.producer().send(kafka.topic, value=b"{}", key=b"a").get(timeout=1)
    consumer = kafka.consumer("g")
    records = take(consumer, 3)
    consumer.commit()
    return kafka.topic, tuple(stored), [tuple(one) for one in records], shares([consumer], 2), kafka.lag("g")


def test_a_topic_is_played_as_it_was(tmp_path):
    records = [Record("notebook-1", 0, n, 5, b"a", b"{}") for n in range(3)]
    assigned = [{TopicPartition("notebook-1", n) for n in range(count)} for count in (1, 2)]
    real = FakeKafka(FakeConsumer([[], records[:2], records[2:]], assigned))
    seen = use(RecordingKafka(real, Tape.blank(tmp_path / "kafka.json")))
    assert seen[2] == [tuple(one) for one in records]
    assert seen[3] == [[0, 1]]
    assert use(ReplayedKafka(Tape.read(tmp_path / "kafka.json"))) == seen


def no_stack(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"LAB_HOME": str(tmp_path / ".lab"), **more}


def test_without_a_stack_the_samples_are_the_source(tmp_path):
    source = open_source("logs", no_stack(tmp_path))
    assert isinstance(source, Recorded)
    assert str(source).startswith("recorded: notebooks/samples/logs, from a real stack on 20")


def test_a_stack_that_is_named_is_the_source_unless_samples_are_asked_for(tmp_path):
    named = no_stack(tmp_path, LAB_SERVICE_URL="http://127.0.0.1:9")
    live = open_source("logs", named)
    assert isinstance(live, Live)
    assert str(live).startswith("live: http://127.0.0.1:9")
    assert isinstance(open_source("logs", {**named, "LAB_NOTEBOOK_SOURCE": "recorded"}), Recorded)


def test_what_a_stack_does_not_have_is_told(tmp_path):
    live = open_source("logs", no_stack(tmp_path, LAB_SERVICE_URL="http://127.0.0.1:9"))
    for use_it, what in ((live.prometheus, "Prometheus"), (live.logs, "logs"), (lambda: live.kafka(1), "Kafka")):
        with pytest.raises(CannotRun, match=f"no .*{what}; next: "):
            use_it()


def test_a_stack_without_a_run_says_what_next(tmp_path):
    with pytest.raises(CannotRun, match="next: lab load smoke"):
        open_source("logs", no_stack(tmp_path, LAB_SERVICE_URL="http://127.0.0.1:9")).window  # noqa: B018  (it is asked for)


@pytest.mark.parametrize(("wanted", "told"), [("live", "no stack is up here"), ("tape", "there are live and recorded")])
def test_a_source_that_cannot_be_had_is_told(tmp_path, wanted, told):
    with pytest.raises(CannotRun, match=told):
        open_source("logs", no_stack(tmp_path, LAB_NOTEBOOK_SOURCE=wanted))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_samples_say_when_they_were_recorded(name):
    assert json.loads((SAMPLES / name / "recorded.json").read_text())["at"] > 1_700_000_000
