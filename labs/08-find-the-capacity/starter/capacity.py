"""How much it can carry: throughput, Little's law, the Universal Scalability Law, the knee.

A run, one line of the samples, is a dict: `size` (texts in one request), `users`, `answered` (requests),
`seconds` (how long the run took), `latencies_ms` (one response time for each answered request, in milliseconds).
"""

import numpy as np
from scipy.optimize import curve_fit


def throughput(run):
    """Return X of a run: texts answered a second (not requests)."""
    # TODO: a request carries `size` texts
    raise NotImplementedError("TODO: throughput")


def texts_in_flight(run):
    """Return L of a run by Little's law, L = X·R: R is the mean response time in seconds."""
    # TODO: X you have; mind the unit of the latencies
    raise NotImplementedError("TODO: texts_in_flight")


def usl(n, rate, contention, coherency):
    """Return X(N) of the Universal Scalability Law: λN / (1 + σ(N-1) + κN(N-1)); `n` may be an array."""
    # TODO: `rate` is λ, `contention` σ, `coherency` κ
    raise NotImplementedError("TODO: usl")


def fit(sizes, throughputs):
    """Return (λ, σ, κ) of the curve that is closest to the points (two arrays of the same length).

    `start` is a first guess of the three, `sigma` what each point may be off by: here in proportion to its height.
    None of the three can be negative, and σ and κ are at most 1.
    """
    start = [None, 0.01, 0.0001]  # TODO: λ is the throughput of one text; which point tells it, at least roughly?
    found, _ = curve_fit(usl, sizes, throughputs, p0=start, sigma=throughputs, bounds=(0, [np.inf, 1, 1]))
    return found


def ceiling(rate, contention):
    """Return what X(N) comes close to for a very large N, as long as κ plays no part."""
    # TODO: in λN / (1 + σ(N-1)), let N grow: the 1 and the -1 no longer matter
    raise NotImplementedError("TODO: ceiling")


def knee(rate, contention):
    """Return the size at which the line of the start, λN, reaches the ceiling."""
    # TODO: for which N are the two equal?
    raise NotImplementedError("TODO: knee")


def efficiency(one, two):
    """Return the throughput of two replicas as a share of twice that of one: 1 is twice as much."""
    # TODO: from two throughputs
    raise NotImplementedError("TODO: efficiency")
