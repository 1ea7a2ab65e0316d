"""A student's page of metrics as numbers: read when nothing moves any more, compared with before; its histograms."""

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

import httpx
from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]
Series = Mapping[Labels, float]
Page = Mapping[str, Series]
Limits = Sequence[tuple[float, float]]
"""Upper limit of each bucket of a histogram and how many values are at most that, both rising."""

SETTLES_WITHIN, LOOK_EVERY = 2.0, 0.1  # seconds


def read_page(url: str, prefix: str = "") -> Page:
    """Return the samples of all metrics with that prefix, by name and labels. Raises httpx.HTTPError, ValueError."""
    text = httpx.get(url, timeout=5, trust_env=False).raise_for_status().text
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.startswith(prefix):
                found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def settled_page(url: str, prefix: str = "") -> Page | None:
    """Return the page once two looks agree (an answer is counted a moment after it was sent); None if they never do."""
    last, deadline = read_page(url, prefix), time.monotonic() + SETTLES_WITHIN
    while time.monotonic() < deadline:
        time.sleep(LOOK_EVERY)
        now = read_page(url, prefix)
        if now == last:
            return now
        last = now
    return None


def summed(series: Series, *by: str) -> dict[tuple[str, ...], float]:
    """Return the sums by these labels; a label that a series lacks is "-"."""
    sums: dict[tuple[str, ...], float] = {}
    for labels, value in series.items():
        key = tuple(dict(labels).get(name, "-") for name in by)
        sums[key] = sums.get(key, 0.0) + value
    return sums


def risen(samples: Sequence[tuple[float, float]]) -> float:
    """Return how much a counter rose from its first sample to its last; one that fell began anew at zero."""
    return sum(new - old if new >= old else new for (_, old), (_, new) in pairwise(samples))


def rises(before: Series, after: Series, *by: str) -> Counter[tuple[str, ...]]:
    """Return by how much counters rose, by these labels, where they did."""
    old, new = summed(before, *by), summed(after, *by)
    return Counter({key: round(value - old.get(key, 0.0)) for key, value in new.items() if value != old.get(key, 0.0)})


def limits(buckets: Series, **labels: str) -> Limits:
    """Return the buckets (`…_bucket`) of the series with these labels, added up."""
    wanted = {key: count for key, count in buckets.items() if labels.items() <= dict(key).items()}
    return sorted((float(limit), count) for (limit,), count in summed(wanted, "le").items())


def bucket(of: Limits, share: float) -> tuple[float, float]:
    """Return the limits between which the value lies that this share of all values does not exceed."""
    low, wanted = 0.0, share * of[-1][1]
    for high, count in of:
        if count >= wanted and count > 0:
            return low, high
        low = high
    return low, math.inf


def quantile(of: Limits, share: float) -> float:
    """Return what PromQL's histogram_quantile does: the place in the bucket, its values taken as evenly spread.

    In the last bucket, which has no end, it is that bucket's lower limit; without values NaN.
    """
    if not of or not of[-1][1]:
        return math.nan
    low, high = bucket(of, share)
    if math.isinf(high):
        return low
    below = max((count for limit, count in of if limit <= low), default=0.0)
    here = next(count for limit, count in of if limit == high) - below
    return low + (high - low) * (share * of[-1][1] - below) / here
