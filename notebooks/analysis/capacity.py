"""How throughput grows with size: Little's law, and Gunther's Universal Scalability Law fitted to measured points.

Size is whatever is made larger step by step: rows in a request, users at once, replicas.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import curve_fit

Floats = NDArray[np.float64]
FEWEST_SIZES = 4  # three parameters, and one point that could contradict them


@dataclass(frozen=True)
class Curve:
    """A fitted law X(N) = λN / (1 + σ(N-1) + κN(N-1)).

    N. J. Gunther, "Guerrilla Capacity Planning", Springer 2007, chapter 4; λ is the throughput at size 1.
    """

    rate: float
    """λ: units a second at size 1."""
    contention: float
    """σ: the share of the work that a larger size does not make cheaper, 0 to 1."""
    coherency: float
    """κ: what each pair of the units costs."""

    def at(self, size: ArrayLike) -> Floats:
        """Return the throughput at one size or several, in units a second."""
        return usl(size, self.rate, self.contention, self.coherency)

    @property
    def knee(self) -> float:
        """The size at which the line of the start, λN, meets the ceiling λ/σ: 1/σ; infinite without contention."""
        return 1 / self.contention if self.contention else math.inf

    @property
    def ceiling(self) -> float:
        """λ/σ: what throughput comes close to as long as κ plays no part, in units a second."""
        return self.rate * self.knee

    @property
    def peak(self) -> float:
        """The size of the highest throughput, √((1-σ)/κ); infinite when κ is 0."""
        return math.sqrt((1 - self.contention) / self.coherency) if self.coherency else math.inf


def usl(size: ArrayLike, rate: float, contention: float, coherency: float) -> Floats:
    """Return the Universal Scalability Law's throughput at `size` (source: `Curve`)."""
    n = np.asarray(size, dtype=np.float64)
    shares: Floats = rate * n / (1 + contention * (n - 1) + coherency * n * (n - 1))
    return shares


def fitted(sizes: Sequence[float], throughputs: Sequence[float]) -> Curve:
    """Return the curve with the least squares of the relative errors, its parameters not below 0, σ at most 1.

    Relative, because a measurement is off by some percent, not by some units a second. Raises ValueError for fewer
    than four different sizes, and for what is not positive and finite.
    """
    n, x = np.asarray(sizes, dtype=np.float64), np.asarray(throughputs, dtype=np.float64)
    if n.shape != x.shape or len(np.unique(n)) < FEWEST_SIZES:
        raise ValueError(f"the law needs throughputs of at least {FEWEST_SIZES} different sizes")
    if not (np.isfinite(n) & np.isfinite(x) & (n > 0) & (x > 0)).all():
        raise ValueError("sizes and throughputs have to be positive numbers")
    rate = float((x / n).max())
    best, _ = curve_fit(
        usl, n, x, p0=(rate, 0.01, 1e-5), sigma=x, bounds=(0, (np.inf, 1, 1)), x_scale=(rate, 0.1, 1e-3)
    )
    return Curve(*(float(value) for value in best))


def medians(runs: Iterable[tuple[float, float]]) -> dict[float, float]:
    """Return the median throughput of each size, sizes rising, of runs as pairs (size, throughput)."""
    by_size: defaultdict[float, list[float]] = defaultdict(list)
    for size, throughput in runs:
        by_size[size].append(throughput)
    return {size: float(np.median(by_size[size])) for size in sorted(by_size)}


def in_flight(throughput: float, response_s: float) -> float:
    """Return how many are inside on average, L = X·R, from units a second and seconds.

    J. D. C. Little, "A Proof for the Queuing Formula: L = λW", Operations Research 9 (1961).
    """
    return throughput * response_s


def response(curve: Curve, size: float) -> float:
    """Return the mean response time in seconds that Little's law gives for `size` units in flight: R = N / X(N)."""
    return float(size / curve.at(size))
