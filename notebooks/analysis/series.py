"""Prometheus's range answers as data frames: rates, percentiles from buckets, throughput against concurrency."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from notebooks.analysis.capacity import Curve, fitted

WIDE_ENOUGH = 3.0
"""A fit needs measured sizes that lie apart: the largest at least so many times the smallest."""


def frame(answer: Mapping[str, Any], by: str = "") -> pd.DataFrame:
    """Return a query_range answer: index in seconds since its first sample, a column for each value of label `by`.

    Raises ValueError with Prometheus's own words when it refused, and when it found nothing.
    """
    if answer.get("status") != "success":
        raise ValueError(f"Prometheus refused the query: {answer.get('error', answer)}")
    result = answer["data"]["result"]
    if not result:
        raise ValueError("Prometheus has no sample of that time; next: lab load smoke, and run the notebook again")
    columns = {
        one["metric"].get(by, "all"): pd.Series({float(t): float(value) for t, value in one["values"]})
        for one in result
    }
    found = pd.DataFrame(columns).sort_index()
    found = found.reindex(columns=sorted(found.columns, key=_place))
    found.index = found.index - found.index[0]
    return found.rename_axis("second")


def _place(name: str) -> tuple[float, str]:
    """Sort buckets by their bounds and all else by name."""
    try:
        return float(name), ""
    except ValueError:
        return math.inf, name


def rates(counters: pd.DataFrame, window_s: float) -> pd.DataFrame:
    """Return the increase per second of counters over the last `window_s`; a counter that fell began anew at 0.

    What Prometheus's rate() does, without its extrapolation to the window's ends.
    """
    grown = counters.diff()
    grown = grown.where(grown >= 0, counters)
    grown.iloc[0] = np.nan
    step = float(np.median(np.diff(counters.index.to_numpy())))
    steps = max(1, round(window_s / step))
    return grown.rolling(steps, min_periods=1).sum() / (steps * step)


def bucket_percentile(percentile: float, buckets: pd.DataFrame) -> pd.Series:
    """Return a percentile over time from cumulative bucket rates (columns: upper bounds as text, "+Inf" the last).

    As Prometheus's histogram_quantile does: linear inside the bucket; in the last one, its lower bound.
    """
    bounds = np.array([float(name) for name in buckets.columns])
    found = [_percentile(percentile / 100, bounds, row) for row in buckets.to_numpy(dtype=np.float64)]
    return pd.Series(found, index=buckets.index, name=f"p{percentile:g}")


def _percentile(share: float, bounds: Any, counts: Any) -> float:
    total = counts[-1]
    if not total > 0:  # nothing, or not a number
        return math.nan
    place = int(np.searchsorted(counts, share * total))
    if math.isinf(bounds[place]):
        return float(bounds[place - 1])
    below, low = (counts[place - 1], bounds[place - 1]) if place else (0.0, 0.0)
    inside = counts[place] - below
    return float(low + (bounds[place] - low) * (share * total - below) / inside) if inside else float(low)


def load_points(rate: pd.Series, seconds_spent: pd.Series) -> pd.DataFrame:
    """Return concurrency and throughput of each moment: `seconds_spent` is rate(..._seconds_sum), which by Little's law
    is the mean number of requests in the system: requests/s times mean seconds of each.

    Moments without requests are left out.
    """
    found = pd.DataFrame({"concurrency": seconds_spent, "throughput": rate}).dropna()
    return found[(found > 0).all(axis=1)].reset_index(drop=True)


def capacity_fit(points: pd.DataFrame) -> Curve | None:
    """Fit the Universal Scalability Law, None when the points lie too close together to say anything of it."""
    sizes = points["concurrency"]
    low, high = (sizes.quantile(0.05), sizes.quantile(0.95)) if len(sizes) else (1.0, 1.0)
    if high < WIDE_ENOUGH * low or high < 1:
        return None
    try:
        return fitted(sizes.tolist(), points["throughput"].tolist())
    except (ValueError, RuntimeError):  # too few points; or the search found no end
        return None


def curve_line(curve: Curve | None, points: pd.DataFrame) -> tuple[list[float], list[float]]:
    """Return the fitted curve over the measured range, to be drawn; nothing when there is no fit."""
    if curve is None:
        return [], []
    at = np.linspace(points["concurrency"].min(), points["concurrency"].max(), 100)
    return at.tolist(), curve.at(at).tolist()


def answer(points: pd.DataFrame, curve: Curve | None, p99: pd.Series) -> str:
    """Return the notebook's answer in words."""
    seen = (
        f"In this run throughput reached {points['throughput'].max():,.0f} requests/s with "
        f"{points['concurrency'].min():.2f} to {points['concurrency'].max():.1f} requests in the service at once; "
        f"the worst p99 inside it was {p99.max() * 1000:.0f} ms.\n"
    )
    if curve is None:
        return seen + (
            "That range is too narrow to tell the capacity: the service was never full. "
            "Next: lab load forest-capacity, and run the notebook again."
        )
    ceiling = f"{curve.ceiling:,.0f} requests/s" if math.isfinite(curve.ceiling) else "none that shows yet"
    return seen + (
        f"The fitted law: one request at a time {curve.rate:,.0f} requests/s, contention {curve.contention:.3f}, "
        f"coherency {curve.coherency:.6f}.\n"
        f"Ceiling: {ceiling}; the knee is at {curve.knee:.1f} requests in the service: beyond it more load is mostly "
        "more waiting."
    )
