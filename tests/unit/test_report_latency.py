"""Percentiles of the report are those of the merged histograms, to the last count."""

import random

from hdrh.histogram import HdrHistogram

from labkit.loadgen import histograms
from labkit.report.latency import bucket_tops_ms, merged


def recorded(values: list[int]) -> HdrHistogram:
    histogram = HdrHistogram(histograms.LOWEST, histograms.HIGHEST, histograms.DIGITS)
    for value in values:
        histogram.record_value(value)
    return histogram


def some_values(seed: int, n: int) -> list[int]:
    draw = random.Random(seed)
    return [max(1, int(draw.lognormvariate(8, 2))) for _ in range(n)]


def test_percentiles_of_merged_histograms_are_those_of_all_values_together() -> None:
    """A histogram of each part, merged, answers as HdrHistogram itself does for one recorded from every value."""
    parts = [some_values(seed, n) for seed, n in ((1, 700), (2, 3), (3, 1201), (4, 1))]
    together = recorded([value for part in parts for value in part])
    found = merged([histograms.encoded(recorded(part)) for part in parts] + [None])
    assert found.count == 1905
    for percentile in (0.1, 50, 90, 99, 99.9, 99.99, 100):
        assert found.at(percentile) == together.get_value_at_percentile(percentile) / 1000


def test_averaging_percentiles_would_give_another_answer() -> None:
    """The control: the mean of the parts' p99 is far from the p99 of the whole, so the test above can fail."""
    fast, slow = recorded([1000] * 990), recorded([500_000] * 110)
    averaged = (fast.get_value_at_percentile(99) + slow.get_value_at_percentile(99)) / 2000
    exact = merged([histograms.encoded(fast), histograms.encoded(slow)]).at(99)
    assert exact == slow.get_value_at_percentile(99) / 1000
    assert abs(averaged - exact) > 100


def test_each_bucket_stands_for_its_highest_value() -> None:
    shape, tops = histograms.empty(), bucket_tops_ms()
    for index in (0, 1, 1023, 1024, 2047, 2048, 3071, 3072, 10_000, len(tops) - 1):
        value = shape.get_value_from_index(index)
        assert tops[index] == shape.get_highest_equivalent_value(value) / 1000


def test_an_empty_histogram_has_no_percentiles() -> None:
    empty = merged([histograms.encoded(histograms.empty()), None])
    assert empty.count == 0
    assert empty.at(99) is None
    assert empty.percentiles() is None
