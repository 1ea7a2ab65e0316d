"""Latencies by the buckets of the service and of Traefik, so that the three curves can be compared in Prometheus."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

LATENCY_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds; a contract test holds them to the service's."""

_EDGES_US: Final = np.array([round(bound * 1_000_000) for bound in LATENCY_BUCKETS], dtype=np.int64)


@dataclass
class Buckets:
    """How many values lie in each bucket (the last one has no upper bound), and their sum in microseconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BUCKETS) + 1))
    sum_us: int = 0

    @property
    def total(self) -> int:
        return sum(self.counts)

    def add(self, values: Sequence[int]) -> None:
        """Take in values in microseconds, all at once."""
        if not values:
            return
        array = np.asarray(values, dtype=np.int64)
        # A value that equals a bound belongs to it, as Prometheus's `le` says.
        found = np.bincount(np.searchsorted(_EDGES_US, array, side="left"), minlength=len(self.counts))
        self.counts = [before + int(more) for before, more in zip(self.counts, found, strict=True)]
        self.sum_us += int(array.sum())

    def merge(self, other: Mapping[str, Any]) -> None:
        """Add what `message` of another one says."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other["counts"], strict=True)]
        self.sum_us += other["sum_us"]

    def message(self) -> dict[str, Any]:
        return {"counts": list(self.counts), "sum_us": self.sum_us}
