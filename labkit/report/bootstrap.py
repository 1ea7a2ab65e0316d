"""How far two runs differ, with the uncertainty that their own seconds show: a block bootstrap over time."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import msgspec
import numpy as np
from numpy.typing import NDArray

from labkit.report.latency import bucket_tops_ms, merged
from labkit.report.run_folder import Run

Floats = NDArray[np.float64]

REPLICATES = 2000
CONFIDENCE = 95.0
SHORTEST_S = 10
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0}
# HdrHistograms keep three digits: a smaller difference of two latencies is rounding.
RESOLUTION = 0.001


class Difference(msgspec.Struct, frozen=True):
    """One number of both runs; `difference` = b - a with its confidence interval `low`..`high`.

    `shown` is True when the interval leaves out 0: the seconds of these runs tell the two apart.
    """

    name: str
    unit: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    shown: bool


@dataclass(frozen=True)
class Seconds:
    """One run second by second: latency counts[second, bucket], answers[second], failures[second]."""

    counts: Floats
    done: Floats
    failed: Floats

    def __len__(self) -> int:
        return len(self.done)

    def first(self, n: int) -> "Seconds":
        return Seconds(self.counts[:n], self.done[:n], self.failed[:n])


def seconds_of(run: Run, *, corrected: bool) -> Seconds:
    """Return every second of the schedule, those without a request too; late answers count in the last one."""
    start, length = run.facts.started, max(round(run.schedule_s), 1)
    counts = np.zeros((length, len(bucket_tops_ms())))
    done, failed = np.zeros(length), np.zeros(length)
    for second in run.timeline:
        n = min(max(math.floor(second.t - start + 0.5), 0), length - 1)
        counts[n] += merged([second.response_time if corrected else second.service_time]).counts
        done[n] += second.done
        failed[n] += second.failed
    return Seconds(counts, done, failed)


def differences(a: Seconds, b: Seconds, *, paired: bool, seed: int = 0) -> tuple[Difference, ...]:
    """Return b - a for p50, p90, p99 (ms), goodput (req/s) and error ratio (%), each with a 95 % interval.

    Method: circular block bootstrap. Requests of neighbouring seconds are alike (one stall slows them all), so
    that whole blocks of seconds are drawn with replacement, not single requests; percentiles come from the merged
    histograms of the drawn seconds; the interval is the expanded percentile interval of 2000 differences: a run has
    few blocks, and their plain percentiles would promise too much. `paired` draws
    the same seconds of both runs: right when both followed the same schedule, because the load of a second is then
    the same in both. The draws are seeded: the same two runs give the same interval.
    What it cannot see: how much one run differs from the next on another day. Repeat runs for that.
    Source: D. Politis, J. Romano, A circular block-resampling procedure for stationary data (1992); interval:
    T. Hesterberg, What Teachers Should Know About the Bootstrap, The American Statistician 69 (2015).
    """
    used = (a.counts.sum(axis=0) + b.counts.sum(axis=0)) > 0
    tops = bucket_tops_ms()[used]
    a, b = (Seconds(one.counts[:, used], one.done, one.failed) for one in (a, b))
    rng = np.random.default_rng(seed)
    weights_a = _draws(len(a), rng)
    weights_b = weights_a if paired else _draws(len(b), rng)
    found = []
    once = {"a": statistics(a, np.ones((1, len(a))), tops), "b": statistics(b, np.ones((1, len(b))), tops)}
    drawn_a, drawn_b = statistics(a, weights_a, tops), statistics(b, weights_b, tops)
    tail = 100 * _tail(min(len(a) / block_length(len(a)), len(b) / block_length(len(b))))
    for name, unit in (*((name, "ms") for name in PERCENTILES), ("goodput", "req/s"), ("errors", "%")):
        at_a, at_b = float(once["a"][name][0]), float(once["b"][name][0])
        low, high = (float(v) for v in np.nanpercentile(drawn_b[name] - drawn_a[name], [tail, 100 - tail]))
        rounding = RESOLUTION * max(at_a, at_b) if unit == "ms" else 0.0
        shown = (low > 0 or high < 0) and abs(at_b - at_a) > rounding
        found.append(Difference(name, unit, at_a, at_b, at_b - at_a, low, high, shown))
    return tuple(found)


def statistics(run: Seconds, weights: Floats, tops: Floats) -> dict[str, Floats]:
    """Return each statistic[draw] for weights[draw, second]: how often each second was drawn."""
    result = {name: np.empty(len(weights)) for name in PERCENTILES}
    for chunk in range(0, len(weights), 100):  # a chunk bounds the memory: 100 draws x a few thousand buckets
        cumulated = np.cumsum(weights[chunk : chunk + 100] @ run.counts, axis=1)
        total = cumulated[:, -1:]
        for name, percentile in PERCENTILES.items():
            rank = np.maximum(np.floor(percentile * total / 100 + 0.5), 1)
            values = tops[np.argmax(cumulated >= rank, axis=1)]
            result[name][chunk : chunk + 100] = np.where(total[:, 0] > 0, values, np.nan)
    done, failed = weights @ run.done, weights @ run.failed
    result["goodput"] = (done - failed) / weights.sum(axis=1)
    result["errors"] = 100 * failed / np.maximum(done, 1)
    return result


def block_length(seconds: int) -> int:
    """Return seconds in a block: of the order of the cube root of the length, at least 4."""
    return max(4, round(1.5 * math.cbrt(seconds)))


def _tail(blocks: float) -> float:
    """Return the probability to cut at each end of the percentiles, for a run of so many blocks.

    Student's t with blocks - 1 degrees of freedom instead of the normal law, put back on the normal scale.
    Source of the series for t: Abramowitz, Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    normal, free = NormalDist(), max(blocks - 1, 1.0)
    z = normal.inv_cdf(0.5 + CONFIDENCE / 200)
    t = z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
    return normal.cdf(-t * math.sqrt(blocks / free))


def _draws(seconds: int, rng: np.random.Generator) -> Floats:
    """Return weights[REPLICATES, seconds]: circular blocks from random starts, cut to the run's length."""
    block = block_length(seconds)
    starts = rng.integers(0, seconds, (REPLICATES, math.ceil(seconds / block)))
    chosen = (starts[:, :, None] + np.arange(block)).reshape(REPLICATES, -1)[:, :seconds] % seconds
    weights = np.zeros((REPLICATES, seconds))
    np.add.at(weights, (np.arange(REPLICATES)[:, None], chosen), 1.0)
    return weights
