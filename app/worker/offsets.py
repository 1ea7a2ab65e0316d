"""What the worker knows of its partitions: what it has handled, what of that is committed, how far the end is."""

from typing import NamedTuple

from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata


class _Handled(NamedTuple):
    next_offset: int
    records: int


class Offsets:
    """Bookkeeping per partition, no more: it asks nobody. One thread at a time."""

    def __init__(self) -> None:
        self._handled: dict[TopicPartition, _Handled] = {}
        self._next: dict[TopicPartition, int] = {}
        self.lag: dict[TopicPartition, int] = {}
        """Records behind the end, of every partition that was ever ours; 0 of those that are others' now."""

    def handled(self, one: TopicPartition, last: int, records: int) -> None:
        """Note that `records` records up to offset `last` are done."""
        before = self._handled.get(one)
        self._handled[one] = _Handled(last + 1, records + (before.records if before else 0))
        self._next[one] = last + 1

    def put_back(self, one: TopicPartition, first: int) -> None:
        """Note that the records from offset `first` on come again."""
        self._next[one] = first

    def uncommitted(self) -> dict[TopicPartition, OffsetAndMetadata]:
        """Return what Kafka is to be told."""
        return {one: OffsetAndMetadata(done.next_offset, "", -1) for one, done in self._handled.items()}

    def committed(self) -> dict[str, int]:
        """Note that Kafka has been told; return by topic how many records were handled since the last time."""
        counts: dict[str, int] = {}
        for one, done in self._handled.items():
            counts[one.topic] = counts.get(one.topic, 0) + done.records
        self._handled.clear()
        return counts

    def forget(self) -> None:
        """Note that no partition is ours any more."""
        self._handled.clear()
        self._next.clear()
        self.lag = dict.fromkeys(self.lag, 0)

    def look(self, one: TopicPartition, end: int | None) -> None:
        """Note the end of a partition of ours, None when it is not known yet."""
        self.lag[one] = 0 if end is None else max(0, end - self._next.get(one, end))
