"""Tickets: which request is to start when, decided before the run from a seed, and split exactly among processes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labkit.loadgen.scenario import Arrivals
from labkit.loadgen.shapes import Shape

LARGEST_DRAW = 2**31


@dataclass(frozen=True)
class Tickets:
    """One process's share: intended starts in seconds after the run's start, an action and a random draw for each."""

    starts: NDArray[np.float64]
    actions: NDArray[np.int64]
    draws: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts)


def intended_starts(shape: Shape, arrivals: Arrivals, seed: np.random.SeedSequence) -> NDArray[np.float64]:
    """Return the intended start of every request of the run, ascending; as many as the shape offers, rounded.

    `even`: the k-th request starts where the cumulative rate is k + ½. `poisson`: a Poisson process of that rate,
    given its number of arrivals, is that many independent uniform points on the cumulative rate (Kingman, Poisson
    Processes, 1993, section 2.4).
    """
    total = round(shape.requests)
    if arrivals == "even":
        points = (np.arange(total) + 0.5) / total
    else:
        points = np.sort(np.random.default_rng(seed).random(total))
    return shape.inverse(points * shape.requests)


def tickets(
    shape: Shape, arrivals: Arrivals, seed: int, weights: Sequence[float], *, index: int = 0, of: int = 1
) -> Tickets:
    """Return the tickets of process `index` of `of`: numbers index, index + of, index + 2·of, ... of the whole run.

    The same seed gives the same requests in the same order, however many processes share them.
    """
    for_starts, for_actions, for_draws = np.random.SeedSequence(seed).spawn(3)
    starts = intended_starts(shape, arrivals, for_starts)
    shares = np.asarray(weights, dtype=np.float64)
    actions = np.random.default_rng(for_actions).choice(len(shares), size=len(starts), p=shares / shares.sum())
    draws = np.random.default_rng(for_draws).integers(0, LARGEST_DRAW, size=len(starts))
    return Tickets(starts[index::of], actions[index::of], draws[index::of])


def offered_by_second(starts: NDArray[np.float64], seconds: int) -> list[int]:
    """Return how many of `starts` fall in each of the first `seconds` seconds; later ones count in the last."""
    bins = np.minimum(starts.astype(np.int64), seconds - 1)
    counts: list[int] = np.bincount(bins, minlength=seconds).tolist()
    return counts
