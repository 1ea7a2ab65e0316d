"""A run of `lab load` read: both latencies, their distribution, the queue that explains them."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from labkit.report.latency import Distribution, bucket_tops_ms, merged
from labkit.report.run_folder import Run, Second
from notebooks.analysis.capacity import in_flight

PERCENTILES = (50.0, 90.0, 99.0, 99.9, 100.0)
NAIVE, CORRECTED = "service time (naive)", "response time (corrected)"


def both(run: Run) -> dict[str, Distribution]:
    """Return the two latencies of all requests: from the actual send, and from the intended start."""
    return {
        NAIVE: merged(entry.service_time for entry in run.entries),
        CORRECTED: merged(entry.response_time for entry in run.entries),
    }


def percentiles(found: dict[str, Distribution]) -> pd.DataFrame:
    """Return ms for each percentile (row) of each distribution (column)."""
    rows = {name: one.at_each(np.array(PERCENTILES)) for name, one in found.items()}
    index = [f"p{percentile:g}" for percentile in PERCENTILES[:-1]] + ["max"]
    return pd.DataFrame({name: values for name, values in rows.items() if values is not None}, index=index)


def ecdf(found: dict[str, Distribution]) -> pd.DataFrame:
    """Return for each latency in ms (index) the share of the requests in % that took at most so long."""
    tops = bucket_tops_ms()
    used = np.flatnonzero(sum(one.counts for one in found.values()))
    shares = {name: 100 * np.cumsum(one.counts)[used] / one.count for name, one in found.items() if one.count}
    return pd.DataFrame(shares, index=tops[used])


def mean_ms(found: Distribution) -> float:
    """Return the mean in ms, as exact as the buckets are (three digits); not a number when there is nothing."""
    return float(found.counts @ bucket_tops_ms() / found.count) if found.count else float("nan")


def by_second(run: Run) -> pd.DataFrame:
    """Return one row a second of the run (index: s since its start), requests and ms.

    `backlog` is what was offered until the end of that second and not answered yet.
    """
    rows = [
        (
            second.t - run.facts.started,
            second.offered + second.follow_ups,
            second.done,
            second.failed,
            _at(second, lambda one: one.service_time),
            _at(second, lambda one: one.response_time),
        )
        for second in run.timeline
    ]
    columns = ["second", "offered", "answered", "failed", NAIVE, CORRECTED]
    frame = pd.DataFrame(rows, columns=columns).set_index("second")
    frame["backlog"] = (frame["offered"] - frame["answered"]).cumsum().clip(lower=0)
    return frame


def _at(second: Second, histogram: Callable[[Second], str | None], percentile: float = 99) -> float:
    found = merged([histogram(second)]).at(percentile)
    return float("nan") if found is None else found


def queueing(run: Run) -> pd.Series:
    """Return what the run's means say of its queue, by Little's law L = λW (source: capacity.in_flight)."""
    found = both(run)
    served, total = mean_ms(found[NAIVE]), mean_ms(found[CORRECTED])
    rate = found[NAIVE].count / max(run.facts.ended - run.facts.started, 1e-9)
    return pd.Series(
        {
            "throughput (requests/s)": rate,
            "mean response time (ms)": total,
            "mean service time (ms)": served,
            "mean wait before the send (ms)": total - served,
            "requests in the system (L = λW)": in_flight(rate, total / 1000),
            "of them waiting to be sent": in_flight(rate, (total - served) / 1000),
        }
    )


def answer(run: Run) -> str:
    """Return the notebook's answer in words. A closed run has no intended starts: nothing can be corrected."""
    found = both(run)
    naive, corrected = found[NAIVE].at(99), found[CORRECTED].at(99)
    if naive is None:
        return "The run has no requests; next: lab load smoke"
    if corrected is None:
        return f"p99 is {naive:.1f} ms by the naive reading; a closed run knows no intended starts, so no other."
    seconds = by_second(run)
    worst, waited = seconds["backlog"].idxmax(), queueing(run)["mean wait before the send (ms)"]
    return (
        f"{found[NAIVE].count:,} requests. The naive p99 is {naive:.1f} ms, the corrected one {corrected:.1f} ms: "
        f"{corrected / naive:.1f} times as long.\n"
        f"The difference is waiting before the send: {waited:.1f} ms on average.\n"
        f"The backlog was largest {worst:.0f} s after the start, with {seconds['backlog'].max():.0f} requests."
    )
