"""A topic of a notebook's own, its producers and its consumers: kafka-python's, or what a recording says of them."""

import time
import uuid
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from typing import Any, NamedTuple, Protocol

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from labkit.errors import CannotRun
from labkit.kafka.connection import ANSWERS_IN_TIME, ask
from labkit.kafka.facts import Lag, lags
from notebooks.source.tape import Tape

PATIENCE_S = 20.0
POLL_MS = 200


class Stored(NamedTuple):
    """Where a message is; kafka-python's RecordMetadata has these, and more."""

    topic: str
    partition: int
    offset: int


class Acknowledged(Protocol):
    """What `send` returns at once; `get` waits for the broker's answer."""

    def get(self, timeout: float | None = None) -> Any: ...


class Record(NamedTuple):
    """A message as it was read; kafka-python's ConsumerRecord has these, and more."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes


class Producer(Protocol):
    """The part of KafkaProducer that the notebook uses."""

    def send(self, topic: str, value: bytes, key: bytes) -> Acknowledged: ...


class Consumer(Protocol):
    """The part of KafkaConsumer that the notebook uses."""

    def poll(self, timeout_ms: int = 0, max_records: int | None = None) -> dict[Any, list[Any]]: ...

    def commit(self) -> Any: ...

    def assignment(self) -> set[Any]: ...

    def close(self) -> Any: ...


class Kafka(Protocol):
    """A topic and its clients."""

    topic: str

    def producer(self) -> Producer: ...

    def consumer(self, group: str) -> Consumer: ...

    def lag(self, group: str) -> tuple[Lag, ...]: ...

    def close(self) -> None: ...


class LiveKafka:
    """A new topic on a real Kafka; `close` ends the clients and deletes the topic and its groups."""

    def __init__(self, servers: str, partitions: int) -> None:
        self.topic = f"notebook-{uuid.uuid4().hex[:8]}"
        self._servers = servers
        self._groups: set[str] = set()
        self._clients = ExitStack()
        ask(servers, lambda client: client.create_topics([NewTopic(self.topic, partitions, 1)]))

    def producer(self) -> Producer:
        found: Producer = KafkaProducer(bootstrap_servers=self._servers.split(","), acks="all", **ANSWERS_IN_TIME)
        self._clients.enter_context(closing(found))  # type: ignore[type-var]  # of an untyped library
        return found

    def consumer(self, group: str) -> Consumer:
        self._groups.add(self._own(group))
        found: Consumer = KafkaConsumer(
            self.topic,
            bootstrap_servers=self._servers.split(","),
            group_id=self._own(group),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            **ANSWERS_IN_TIME,
        )
        self._clients.enter_context(closing(found))
        return found

    def lag(self, group: str) -> tuple[Lag, ...]:
        return ask(self._servers, lambda client: lags(client, self._own(group)))

    def close(self) -> None:
        self._clients.close()
        ask(self._servers, self._delete)

    def _delete(self, client: KafkaAdminClient) -> None:
        if self._groups:
            client.delete_groups(sorted(self._groups))
        client.delete_topics([self.topic])

    def _own(self, group: str) -> str:
        """Return a group's name that no other notebook has."""
        return f"{self.topic}-{group}"


class RecordingKafka:
    """A real topic; what its clients are told goes to the tape."""

    def __init__(self, real: Kafka, tape: Tape) -> None:
        self.topic = real.topic
        self._real, self._tape = real, tape
        self._consumers = 0
        tape.add("topic", self.topic)

    def producer(self) -> Producer:
        return _RecordingProducer(self._real.producer(), self._tape)

    def consumer(self, group: str) -> Consumer:
        self._consumers += 1
        return _RecordingConsumer(self._real.consumer(group), self._tape, self._consumers)

    def lag(self, group: str) -> tuple[Lag, ...]:
        rows = self._real.lag(group)
        self._tape.add(f"lag {group}", [list(vars(row).values()) for row in rows])
        return rows

    def close(self) -> None:
        self._real.close()


class ReplayedKafka:
    """What a recording says: the same answers in the same order."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._consumers = 0
        self.topic: str = tape.answer("topic")

    def producer(self) -> Producer:
        return _ReplayedProducer(self._tape)

    def consumer(self, _group: str) -> Consumer:
        self._consumers += 1
        return _ReplayedConsumer(self._tape, self._consumers)

    def lag(self, group: str) -> tuple[Lag, ...]:
        return tuple(Lag(*row) for row in self._tape.answer(f"lag {group}"))

    def close(self) -> None:
        """Nothing is open."""


class _Known:
    """A broker's answer that is there already."""

    def __init__(self, stored: Any) -> None:
        self._stored = stored

    def get(self, timeout: float | None = None) -> Any:  # noqa: ARG002  (kafka-python's own signature)
        return self._stored


class _RecordingProducer:
    def __init__(self, real: Producer, tape: Tape) -> None:
        self._real, self._tape = real, tape

    def send(self, topic: str, value: bytes, key: bytes) -> Acknowledged:
        stored = self._real.send(topic, value=value, key=key).get(timeout=PATIENCE_S)
        self._tape.add(_sent(value, key), [stored.topic, stored.partition, stored.offset])
        return _Known(stored)


class _ReplayedProducer:
    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def send(self, topic: str, value: bytes, key: bytes) -> Acknowledged:  # noqa: ARG002  (the recorded topic it is)
        return _Known(Stored(*self._tape.answer(_sent(value, key))))


class _RecordingConsumer:
    def __init__(self, real: Consumer, tape: Tape, number: int) -> None:
        self._real, self._tape, self._name = real, tape, f"consumer {number}"

    def poll(self, timeout_ms: int = 0, max_records: int | None = None) -> dict[Any, list[Any]]:
        found = self._real.poll(timeout_ms=timeout_ms, max_records=max_records)
        kept = [
            [one.topic, one.partition, one.offset, one.timestamp, one.key.decode(), one.value.decode()]
            for records in found.values()
            for one in records
        ]
        self._tape.add(f"{self._name} poll", kept)
        return found

    def commit(self) -> Any:
        return self._real.commit()

    def assignment(self) -> set[Any]:
        found = self._real.assignment()
        self._tape.add(f"{self._name} assignment", sorted([key.topic, key.partition] for key in found))
        return found

    def close(self) -> Any:
        return self._real.close()


class _ReplayedConsumer:
    def __init__(self, tape: Tape, number: int) -> None:
        self._tape, self._name = tape, f"consumer {number}"

    def poll(self, timeout_ms: int = 0, max_records: int | None = None) -> dict[Any, list[Any]]:  # noqa: ARG002  (as it was recorded)
        found: dict[Any, list[Any]] = {}
        for topic, partition, offset, timestamp, key, value in self._tape.answer(f"{self._name} poll", repeat=False):
            record = Record(topic, partition, offset, timestamp, key.encode(), value.encode())
            found.setdefault(TopicPartition(topic, partition), []).append(record)
        return found

    def commit(self) -> None:
        """What was committed shows in the lag that follows."""

    def assignment(self) -> set[Any]:
        return {TopicPartition(*key) for key in self._tape.answer(f"{self._name} assignment", repeat=False)}

    def close(self) -> None:
        """Nothing is open."""


def take(consumer: Consumer, count: int) -> list[Any]:
    """Return the next `count` messages of a consumer. Raises CannotRun when they do not come in time."""
    found: list[Any] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < count:
        if time.monotonic() > deadline:
            raise CannotRun(f"kafka: {len(found)} of {count} messages came in {PATIENCE_S:g} s; next: lab kafka groups")
        polled = consumer.poll(timeout_ms=POLL_MS, max_records=count - len(found))
        found += [record for records in polled.values() for record in records]
    return found


def shares(consumers: Sequence[Consumer], partitions: int) -> list[list[int]]:
    """Return which partitions each consumer of one group reads once each has some. Raises CannotRun.

    A group shares out its partitions anew while its members poll.
    """
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for consumer in consumers:
            consumer.poll(timeout_ms=POLL_MS, max_records=1)
        found = [sorted(key.partition for key in consumer.assignment()) for consumer in consumers]
        if all(found) and _each_once(found, partitions):
            return found
    raise CannotRun(f"kafka: the group did not settle in {PATIENCE_S:g} s; next: lab kafka groups")


def _each_once(found: Iterable[Sequence[int]], partitions: int) -> bool:
    return sorted(number for share in found for number in share) == list(range(partitions))


def _sent(value: bytes, key: bytes) -> str:
    return f"send {key.decode()} {value.decode()}"
