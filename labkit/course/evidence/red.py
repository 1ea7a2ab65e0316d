"""Rate, errors, duration of a minute from nothing but raw samples, beside what a student's PromQL makes of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit.course.evidence.metrics import Labels, limits, quantile, risen, summed
from labkit.prove.prometheus import Prometheus, Refused

MINUTE = 60  # seconds
CLOSE, CLOSE_P99 = 0.05, 0.15
"""Shares of a value: Prometheus looks a little beyond the samples, to the ends of the minute; and one request more or
less in that minute moves a quantile by a part of its bucket."""
ALL = ""

Values = Mapping[str, float]
"""By route, or of `ALL` together."""


@dataclass(frozen=True)
class Metrics:
    """What a service calls its metrics: the counter has the labels route and status, the histogram route."""

    job: str
    counter: str
    histogram: str
    gauge: str


def minute(url: str, names: Metrics, moment: float) -> dict[str, Values]:
    """Return rate (1/s by route), errors (share of 5xx), p99 (s by route) and peak (most in flight) up to a moment.

    Each is empty where Prometheus has no samples. Raises CannotRun.
    """
    with Prometheus(url) as source:

        def samples(name: str) -> dict[Labels, Sequence[tuple[float, float]]]:
            found = source.samples(f'{name}{{job="{names.job}"}}', MINUTE, moment)
            return {tuple(sorted(labels.items())): points for labels, points in found}

        counts, buckets = (
            {labels: risen(points) for labels, points in samples(name).items()}
            for name in (names.counter, f"{names.histogram}_bucket")
        )
        flights = samples(names.gauge)
    total, wrong = sum(counts.values()), summed(counts, "status").get(("5xx",), 0.0)
    rates = {route: count / MINUTE for (route,), count in summed(counts, "route").items() if count}
    return {
        "rate": rates,
        "errors": {ALL: wrong / total} if total else {},
        "p99": {route: quantile(limits(buckets, route=route), 0.99) for route in rates},
        "peak": {ALL: max(value for one in flights.values() for _, value in one)} if flights else {},
    }


def compared(url: str, query: str, moment: float, right: Values, close: float = CLOSE) -> tuple[str, bool]:
    """Return a query's answer as words, and whether it has the right values, each once under the right label.

    Routes without a request may be there with 0 or without a number. Raises CannotRun.
    """
    try:
        with Prometheus(url) as source:
            series = source.values(query, moment)
    except Refused as error:
        return f"refused: {error}", False
    if ALL in right:
        good = len(series) == 1 and math.isclose(series[0][1], right[ALL], rel_tol=close, abs_tol=1e-9)
        return worded({ALL: series[0][1]}) if len(series) == 1 else f"{len(series)} series instead of one", good
    there = [(labels, value) for labels, value in series if value and not math.isnan(value)]
    names = sorted({name for labels, _ in there for name in labels})
    if there and names != ["route"]:
        return f"{len(there)} series with the labels {', '.join(names) or 'none'} instead of route", False
    given = {labels["route"]: value for labels, value in there}
    good = given.keys() == right.keys() and all(math.isclose(given[k], right[k], rel_tol=close) for k in right)
    return worded(given), good


def worded(values: Values) -> str:
    """Return the values in a line."""
    return ", ".join(f"{route} {value:.3g}".strip() for route, value in sorted(values.items())) or "no value"
