"""What is stored in a topic, message by message: where, under which key, and which leader took it."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from labkit.kafka.facts import Topic
from labkit.kafka.messages import from_start, text


@dataclass(frozen=True)
class Stored:
    """One message; `facts` is its value when that is a JSON object, else empty."""

    partition: int
    offset: int
    key: str | None
    facts: dict[str, Any]
    epoch: int
    """Which leader of the partition took it: each new one counts one up."""
    at: float
    """Epoch seconds at which it was produced."""


def everything(client: KafkaConsumer, topic: Topic) -> list[Stored]:
    """Return what a topic keeps now, partition by partition in its order."""
    found = [_stored(record) for record in from_start(client, topic)]
    return sorted(found, key=lambda one: (one.partition, one.offset))


def leader_changes(messages: Iterable[Stored]) -> Iterator[tuple[Stored, Stored]]:
    """Yield the last message that one leader of a partition took and the first of the next one."""
    for before, after in pairwise(messages):
        if before.partition == after.partition and before.epoch != after.epoch:
            yield before, after


def counted_by_producers(client: KafkaAdminClient, topic: Topic) -> dict[int, int]:
    """Return how many messages of each partition came from idempotent producers, which wait for all copies.

    Kafka keeps a last sequence number for each of these, for a day, to know again what is sent twice.
    """
    parts = [TopicPartition(topic.name, part.number) for part in topic.partitions]
    return {
        key.partition: sum(one.last_sequence + 1 for one in state.active_producers)
        for key, state in client.describe_producers(parts).items()
    }


def _stored(record: ConsumerRecord) -> Stored:
    try:
        value = json.loads(record.value or b"")
    except ValueError:
        value = {}
    return Stored(
        record.partition,
        record.offset,
        None if record.key is None else text(record.key),
        value if isinstance(value, dict) else {},
        record.leader_epoch,
        record.timestamp / 1000,
    )
