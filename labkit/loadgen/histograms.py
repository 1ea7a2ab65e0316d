"""HdrHistograms in microseconds: recorded in bulk, merged exactly, carried as text.

All have the same range and precision, so that merging adds counters and loses nothing.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

LOWEST, HIGHEST, DIGITS = 1, 3_600_000_000, 3
"""1 µs to 1 hour with three significant digits."""


def empty() -> HdrHistogram:
    return HdrHistogram(LOWEST, HIGHEST, DIGITS)


def record(histogram: HdrHistogram, values: Sequence[int]) -> None:
    """Add values in microseconds, all at once; those outside the range count at its nearest end.

    The same arithmetic as HdrHistogram's own `record_value` (its bucket index is the position of the highest set
    bit), over an array instead of one call a value: about 0.1 µs instead of 1 µs each.
    """
    if not values:
        return
    clipped: NDArray[np.int64] = np.clip(np.asarray(values, dtype=np.int64), LOWEST, HIGHEST)
    masked = clipped | histogram.sub_bucket_mask
    # frexp gives the position of the highest set bit exactly: the range ends far below 2**53.
    bucket = np.frexp(masked.astype(np.float64))[1] - (histogram.sub_bucket_half_count_magnitude + 1)
    index = (
        ((bucket + 1) << histogram.sub_bucket_half_count_magnitude)
        + (clipped >> bucket)
        - histogram.sub_bucket_half_count
    )
    np.add.at(np.frombuffer(histogram.counts, dtype=np.uint64), index, 1)
    histogram.total_count += len(clipped)
    histogram.min_value = min(histogram.min_value, int(clipped.min()))
    histogram.max_value = max(histogram.max_value, int(clipped.max()))


def merge(into: HdrHistogram, other: HdrHistogram) -> None:
    """Add all counts of `other`; nothing is averaged or rounded.

    HdrHistogram's own `add` sets the minimum to 0 when one of the two is empty, hence this one.
    """
    if not other.total_count:
        return
    np.frombuffer(into.counts, dtype=np.uint64)[:] += np.frombuffer(other.counts, dtype=np.uint64)
    into.total_count += other.total_count
    into.min_value = min(into.min_value, other.min_value)
    into.max_value = max(into.max_value, other.max_value)


def encoded(histogram: HdrHistogram) -> str:
    """Return the HdrHistogram V2 format, compressed, in base64."""
    text: bytes = histogram.encode()
    return text.decode("ascii")


def decoded(text: str) -> HdrHistogram:
    return HdrHistogram.decode(text)


def merged(texts: Iterable[str]) -> HdrHistogram:
    total = empty()
    for text in texts:
        merge(total, decoded(text))
    return total
