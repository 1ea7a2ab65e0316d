"""What Kafka's answers say about keys, partitions, order and lag, as data frames."""

import json
from collections.abc import Iterable, Sequence
from typing import Protocol

import pandas as pd

from labkit.kafka.facts import Lag
from notebooks.analysis.trucks import Message


class Place(Protocol):
    """Where a message is."""

    @property
    def partition(self) -> int: ...

    @property
    def offset(self) -> int: ...


class Kept(Place, Protocol):
    """A message with its place."""

    @property
    def key(self) -> bytes: ...

    @property
    def value(self) -> bytes: ...


def placed(sent: Sequence[Message], places: Sequence[Place]) -> pd.DataFrame:
    """Return one row a message: key, partition, offset, in the order of sending."""
    rows = [(message.key.decode(), at.partition, at.offset) for message, at in zip(sent, places, strict=True)]
    return pd.DataFrame(rows, columns=["key", "partition", "offset"])


def read(records: Iterable[Kept]) -> pd.DataFrame:
    """Return one row a message in the order of reading: key, partition, offset, number (the key's own count)."""
    rows = [(one.key.decode(), one.partition, one.offset, json.loads(one.value)["number"]) for one in records]
    return pd.DataFrame(rows, columns=["key", "partition", "offset", "number"])


def by_partition(messages: pd.DataFrame, partitions: int) -> pd.DataFrame:
    """Return the number of messages of each key (column) in each partition (row), empty partitions too."""
    counts = pd.crosstab(messages["partition"], messages["key"])
    return counts.reindex(range(partitions), fill_value=0)


def partitions_of_keys(messages: pd.DataFrame) -> pd.Series:
    """Return how many partitions each key is found in."""
    return messages.groupby("key")["partition"].nunique()


def order_kept(messages: pd.DataFrame) -> pd.Series:
    """Return for each key whether its messages were read in the order in which they were sent."""
    return messages.groupby("key")["number"].apply(lambda numbers: bool(numbers.is_monotonic_increasing))


def order_kept_by_all(messages: pd.DataFrame) -> bool:
    """Return whether the messages of all keys together were read in the order of sending (rounds of all keys)."""
    return bool(messages["number"].is_monotonic_increasing)


def lag_table(rows: Iterable[Lag]) -> pd.DataFrame:
    """Return one row a partition: committed, left (the lag), end; in messages."""
    found = [(row.partition, row.committed or 0, row.lag or 0, row.end or 0) for row in rows]
    frame = pd.DataFrame(found, columns=["partition", "committed", "left", "end"])
    return frame.set_index("partition").sort_index()


def share_table(shares: Sequence[Sequence[int]]) -> pd.DataFrame:
    """Return one row a consumer with the partitions that it reads."""
    rows = [(f"reader {n}", ", ".join(map(str, share)), len(share)) for n, share in enumerate(shares, 1)]
    return pd.DataFrame(rows, columns=["consumer", "reads partitions", "how many"]).set_index("consumer")


def answer(sent: pd.DataFrame, seen: pd.DataFrame, lags: Sequence[pd.DataFrame]) -> str:
    """Return the notebook's answer in words.

    `seen` is what a second group read; `lags` the first group's lag after reading, after its first commit, at its end.
    """
    keys, most = sent["key"].nunique(), int(partitions_of_keys(sent).max())
    kept = int(order_kept(seen).sum())
    together = "kept" if order_kept_by_all(seen) else "not kept"
    left = [int(lag["left"].sum()) for lag in lags]
    moved = "reading alone did not move it, committing did" if left[0] == len(sent) > left[1] else "look at it again"
    others = "did not take messages from" if len(seen) == len(sent) else "seems to have missed messages of"
    return (
        f"{len(sent)} messages of {keys} keys: each key lies in {most} partition{'s' if most > 1 else ''}.\n"
        f"Order was kept within {kept} of {keys} keys; over all keys together it was {together}.\n"
        f"The group's lag went {' → '.join(map(str, left))} messages: {moved}.\n"
        f"A second group read {len(seen)} messages; the first one {others} it."
    )
