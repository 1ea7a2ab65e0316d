"""Latency distributions: HdrHistograms merged bucket by bucket, then asked for percentiles (never averaged)."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from labkit.loadgen import histograms


class Percentiles(msgspec.Struct, frozen=True):
    """Milliseconds; each accurate to three significant digits."""

    count: int
    p50: float
    p90: float
    p99: float
    p999: float
    max: float


@dataclass(frozen=True)
class Distribution:
    """Counts per HdrHistogram bucket, int64[buckets]; the sum of two is the distribution of both together."""

    counts: NDArray[np.int64]

    @property
    def count(self) -> int:
        return int(self.counts.sum())

    def __add__(self, other: "Distribution") -> "Distribution":
        return Distribution(self.counts + other.counts)

    def at(self, percentile: float) -> float | None:
        """Return the latency in ms that `percentile` % of the requests stayed at or below; None when empty."""
        values = self.at_each(np.array([percentile]))
        return None if values is None else float(values[0])

    def at_each(self, percentiles: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Return ms[n] for percentiles[n] in 0..100, by the definition of HdrHistogram (nearest rank)."""
        total = self.count
        if not total:
            return None
        ranks = np.maximum((percentiles * total / 100 + 0.5).astype(np.int64), 1)
        where = np.searchsorted(np.cumsum(self.counts), np.minimum(ranks, total))
        return bucket_tops_ms()[where]

    def percentiles(self) -> Percentiles | None:
        values = self.at_each(np.array([50.0, 90.0, 99.0, 99.9, 100.0]))
        if values is None:
            return None
        return Percentiles(self.count, *(float(v) for v in values))


def merged(encoded: Iterable[str | None]) -> Distribution:
    """Return the exact union of encoded histograms; None stands for one that was not recorded."""
    whole = histograms.merged(one for one in encoded if one)
    return Distribution(np.frombuffer(whole.counts, dtype=np.uint64).astype(np.int64))


@cache
def bucket_tops_ms() -> NDArray[np.float64]:
    """Return the highest value in ms that each bucket stands for, float64[buckets].

    Source: the layout of HdrHistogram: the lower half of bucket 0 and the upper half of each following bucket,
    each bucket with twice the step of the one before.
    """
    shape = histograms.empty()
    index = np.arange(shape.counts_len, dtype=np.int64)
    half = shape.sub_bucket_half_count
    bucket = np.maximum(index // half - 1, 0)
    sub = np.where(index < half, index, index % half + half)
    tops: NDArray[np.float64] = ((sub << bucket) + (np.int64(1) << bucket) - 1) / 1000.0
    return tops
