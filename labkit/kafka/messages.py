"""Reading and writing messages as a client without a group does."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from labkit.errors import CannotRun
from labkit.kafka.connection import DEADLINE_MS
from labkit.kafka.facts import Topic

POLL_MS = 200


@dataclass(frozen=True)
class Message:
    r"""One message as it is shown; `time` is when it was produced, key and value are text or, of JSON, what it says.

    Bytes that are no UTF-8 are shown as \xNN.
    """

    topic: str
    partition: int
    offset: int
    time: str
    key: str | None
    headers: tuple[tuple[str, str], ...]
    value: Any

    @property
    def place(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


def message(record: ConsumerRecord) -> Message:
    """Return what a record says."""
    when = datetime.fromtimestamp(record.timestamp / 1000).astimezone()
    return Message(
        record.topic,
        record.partition,
        record.offset,
        when.isoformat(timespec="milliseconds"),
        None if record.key is None else text(record.key),
        tuple((name, text(value or b"")) for name, value in record.headers or ()),
        None if record.value is None else _value(record.value),
    )


def text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _value(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return text(data)


def last(client: KafkaConsumer, topic: Topic, count: int) -> list[ConsumerRecord]:
    """Return the last `count` messages of a topic over all its partitions, in order of time."""
    starts = {
        _key(topic, part.number): max(part.begin, part.end - count)
        for part in topic.partitions
        if part.begin is not None and part.end is not None
    }
    found = list(stored(client, topic, starts)) if count else []
    found.sort(key=lambda record: (record.timestamp, record.partition, record.offset))
    return found[-count:] if count else []


def from_start(client: KafkaConsumer, topic: Topic) -> Iterator[ConsumerRecord]:
    """Yield all that is stored now, of each partition in order."""
    return stored(
        client, topic, {_key(topic, part.number): part.begin for part in topic.partitions if part.begin is not None}
    )


def stored(client: KafkaConsumer, topic: Topic, starts: dict[TopicPartition, int]) -> Iterator[ConsumerRecord]:
    """Yield the messages of each partition from its start to the end that `topic` tells.

    Raises CannotRun when a partition brings nothing for a while.
    """
    ends = {_key(topic, part.number): part.end for part in topic.partitions}
    left = {key for key, start in starts.items() if start < (ends[key] or 0)}
    read_from(client, {key: starts[key] for key in left})
    heard = time.monotonic()
    while left:
        for key, records in client.poll(timeout_ms=POLL_MS).items():
            heard = time.monotonic()
            yield from (record for record in records if record.offset < ends[key])
        left = {key for key in left if client.position(key, timeout_ms=DEADLINE_MS) < ends[key]}
        if time.monotonic() - heard > DEADLINE_MS / 1000:
            names = ", ".join(f"{key.topic}/{key.partition}" for key in sorted(left))
            raise CannotRun(f"kafka: nothing comes from {names}; next: lab kafka topics")


def new(client: KafkaConsumer, topic: Topic) -> Iterator[ConsumerRecord]:
    """Yield what is written after the end that `topic` tells, for ever."""
    read_from(client, {_key(topic, part.number): part.end for part in topic.partitions})
    while True:
        for records in client.poll(timeout_ms=POLL_MS).values():
            yield from records


def read_from(client: KafkaConsumer, starts: Mapping[TopicPartition, int | None]) -> None:
    """Take these partitions from these offsets on; None is wherever the end is when its leader tells."""
    client.assign(list(starts))
    for key, offset in starts.items():
        if offset is None:
            client.seek_to_end(key)
        else:
            client.seek(key, offset)


@dataclass(frozen=True)
class Acknowledged:
    """Where a message is now stored."""

    topic: str
    partition: int
    offset: int
    key: str | None


def produce(
    client: KafkaProducer, topic: str, key: str | None, values: Iterable[bytes], headers: list[tuple[str, bytes]]
) -> Iterator[Acknowledged]:
    """Write the values one after the other, each once the one before is acknowledged. Raises KafkaError."""
    for value in values:
        sent = client.send(topic, value, None if key is None else key.encode(), headers=headers)
        stored_at = sent.get(timeout=2 * DEADLINE_MS / 1000)
        yield Acknowledged(topic, stored_at.partition, stored_at.offset, key)


def parse_header(argument: str) -> tuple[str, bytes]:
    """Read NAME=VALUE. Raises CannotRun."""
    name, equals, value = argument.partition("=")
    if not (name and equals):
        raise CannotRun(f"--header {argument}: write NAME=VALUE, such as --header request-id=mine")
    return name, value.encode()


def _key(topic: Topic, number: int) -> TopicPartition:
    return TopicPartition(topic.name, number)
