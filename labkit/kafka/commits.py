"""What groups have committed so far: the history that Kafka keeps in a topic of its own, __consumer_offsets.

Its format is that of Kafka's message schemas OffsetCommitKey and OffsetCommitValue. Kafka thins the history out in time
(it needs only each partition's last commit), never in the segment that it writes to.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from kafka import KafkaConsumer
from kafka.consumer.fetcher import ConsumerRecord

from labkit.kafka.facts import Topic
from labkit.kafka.messages import from_start

OFFSETS = "__consumer_offsets"
OF_AN_OFFSET = (0, 1)  # versions of a key that names group, topic and partition; 2 is what a group consists of


@dataclass(frozen=True)
class Commit:
    """One commit of a group in one partition; `offset` is None where it was taken back (group or topic deleted)."""

    group: str
    topic: str
    partition: int
    offset: int | None


def commits(client: KafkaConsumer, offsets_topic: Topic, group: str, topic: str) -> dict[int, list[int]]:
    """Return what a group has committed in each partition of a topic, first to last, since the topic is there."""
    return history(
        found
        for record in from_start(client, offsets_topic)
        if (found := commit(record)) is not None and (found.group, found.topic) == (group, topic)
    )


def history(found: Iterable[Commit]) -> dict[int, list[int]]:
    """Return the offsets by partition; one that was taken back begins anew."""
    lists: dict[int, list[int]] = {}
    for one in found:
        if one.offset is None:
            lists.pop(one.partition, None)
        else:
            lists.setdefault(one.partition, []).append(one.offset)
    return lists


def before_set_back(offsets: Sequence[int]) -> int:
    """Return the highest offset from which commits went back to the first message; 0 when they never did."""
    return max((before for before, after in pairwise(offsets) if after == 0), default=0)


def commit(record: ConsumerRecord) -> Commit | None:
    """Read a record of __consumer_offsets; None for one that is no commit."""
    (version,) = struct.unpack_from(">h", record.key)
    if version not in OF_AN_OFFSET:
        return None
    group, at = _text(record.key, 2)
    topic, at = _text(record.key, at)
    (partition,) = struct.unpack_from(">i", record.key, at)
    if record.value is None:
        return Commit(group, topic, partition, None)
    _, offset = struct.unpack_from(">hq", record.value)
    return Commit(group, topic, partition, offset)


def _text(data: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">h", data, at)
    return data[at + 2 : at + 2 + length].decode(), at + 2 + length
