"""Offered rate as a pure function of time: piecewise linear, with its integral and the inverse of that.

A shape is a tuple of segments; each holds its length in seconds and the rate in requests per second at its two
ends. The cumulative rate N(t) is the number of requests whose start is intended before t; its inverse gives the
intended start of the k-th.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Segment:
    """A stretch of `seconds` in which the rate goes in a straight line from `first` to `last` requests/s."""

    seconds: float
    first: float
    last: float

    @property
    def requests(self) -> float:
        return self.seconds * (self.first + self.last) / 2


@dataclass(frozen=True)
class Shape:
    """The offered rate over a whole run. Raises ValueError when no time passes or a rate is negative."""

    segments: tuple[Segment, ...]

    def __post_init__(self) -> None:
        for part in self.segments:
            numbers = (part.seconds, part.first, part.last)
            if not all(math.isfinite(n) for n in numbers) or part.seconds <= 0 or min(part.first, part.last) < 0:
                raise ValueError(f"segment {numbers}: want seconds above 0 and rates of 0 or more")
        if not self.segments:
            raise ValueError("a shape without segments; give at least one")

    @property
    def duration(self) -> float:
        return sum(part.seconds for part in self.segments)

    @property
    def requests(self) -> float:
        """The whole integral: requests offered in all."""
        return sum(part.requests for part in self.segments)

    @property
    def peak(self) -> float:
        return max(max(part.first, part.last) for part in self.segments)

    def rate(self, t: float) -> float:
        """Return the offered rate at `t` seconds after the start; 0 outside the run, the later one at a jump."""
        if t < 0:
            return 0.0
        for part in self.segments:
            if t < part.seconds:
                return part.first + (part.last - part.first) * t / part.seconds
            t -= part.seconds
        return 0.0

    def cumulative(self, t: float) -> float:
        """Return how many requests are offered up to `t` seconds after the start."""
        total = 0.0
        for part in self.segments:
            if t <= 0:
                break
            within = min(t, part.seconds)
            total += within * (part.first + (part.last - part.first) * within / part.seconds / 2)
            t -= part.seconds
        return total

    def inverse(self, counts: Sequence[float] | Floats) -> Floats:
        """Return the earliest time at which each cumulative count is reached; counts ascending or not.

        Counts below 0 give 0, counts above the whole integral the end. Within a segment, N(t) = a·t + b·t² is
        solved as t = 2·n / (a + √(a² + 4·b·n)), which loses no digits where b is near 0.
        """
        wanted = np.clip(np.asarray(counts, dtype=np.float64), 0.0, self.requests)
        ends = np.array(list(accumulate(part.requests for part in self.segments)))
        starts_at = np.array([0.0, *accumulate(part.seconds for part in self.segments)])
        index = np.minimum(np.searchsorted(ends, wanted, side="left"), len(self.segments) - 1)
        first = np.array([part.first for part in self.segments])[index]
        last = np.array([part.last for part in self.segments])[index]
        seconds = np.array([part.seconds for part in self.segments])[index]
        within = np.maximum(wanted - np.array([0.0, *ends[:-1]])[index], 0.0)
        root = np.sqrt(np.maximum(first * first + 2 * (last - first) / seconds * within, 0.0))
        with np.errstate(invalid="ignore", divide="ignore"):
            offset = np.where(within > 0, 2 * within / (first + root), 0.0)
        times: Floats = starts_at[index] + np.clip(offset, 0.0, seconds)
        return times


def constant(rate: float, seconds: float) -> Shape:
    return Shape((Segment(seconds, rate, rate),))


def ramp(first: float, last: float, seconds: float) -> Shape:
    return Shape((Segment(seconds, first, last),))


def steps(rates: Sequence[float], seconds: float) -> Shape:
    """Hold each rate for an equal share of `seconds`. Raises ValueError when there is no rate."""
    if not rates:
        raise ValueError("steps without rates; give at least one")
    return Shape(tuple(Segment(seconds / len(rates), rate, rate) for rate in rates))


def spike(rate: float, peak: float, seconds: float, *, at: float = 0.4, share: float = 0.2) -> Shape:
    """Offer `rate`, but `peak` from the fraction `at` of the run on for the fraction `share` of it."""
    if min(at, share) <= 0 or at + share >= 1:
        raise ValueError(f"spike from {at} for {share} of the run; both above 0, together below 1")
    return Shape(
        (
            Segment(seconds * at, rate, rate),
            Segment(seconds * share, peak, peak),
            Segment(seconds * (1 - at - share), rate, rate),
        )
    )


def soak(rate: float, seconds: float, *, warmup: float = 0.1) -> Shape:
    """Rise to `rate` over the fraction `warmup` of the run, then hold it."""
    if not 0 < warmup < 1:
        raise ValueError(f"warm-up {warmup} of the run; want more than 0 and less than 1")
    return Shape((Segment(seconds * warmup, 0.0, rate), Segment(seconds * (1 - warmup), rate, rate)))


def scaled(shape: Shape, *, peak: float | None = None, duration: float | None = None) -> Shape:
    """Return the same form with another peak rate and another length. Raises ValueError on a peak of 0."""
    if peak is not None and shape.peak <= 0:
        raise ValueError("a shape that never offers a request cannot be scaled")
    height = 1.0 if peak is None else peak / shape.peak
    length = 1.0 if duration is None else duration / shape.duration
    return Shape(tuple(Segment(p.seconds * length, p.first * height, p.last * height) for p in shape.segments))
