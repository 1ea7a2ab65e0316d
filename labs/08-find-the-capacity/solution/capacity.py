"""How much it can carry: throughput, Little's law, the Universal Scalability Law, the knee.

A run, one line of the samples, is a dict: `size` (texts in one request), `users`, `answered` (requests),
`seconds` (how long the run took), `latencies_ms` (one response time for each answered request, in milliseconds).
"""

import numpy as np
from scipy.optimize import curve_fit


def throughput(run):
    """Return X of a run: texts answered a second (not requests)."""
    return run["size"] * run["answered"] / run["seconds"]


def texts_in_flight(run):
    """Return L of a run by Little's law, L = X·R: R is the mean response time in seconds."""
    return throughput(run) * np.mean(run["latencies_ms"]) / 1000


def usl(n, rate, contention, coherency):
    """Return X(N) of the Universal Scalability Law: λN / (1 + σ(N-1) + κN(N-1)); `n` may be an array."""
    return rate * n / (1 + contention * (n - 1) + coherency * n * (n - 1))


def fit(sizes, throughputs):
    """Return (λ, σ, κ) of the curve that is closest to the points (two arrays of the same length).

    `start` is a first guess of the three, `sigma` what each point may be off by: here in proportion to its height.
    None of the three can be negative, and σ and κ are at most 1.
    """
    start = [throughputs[0] / sizes[0], 0.01, 0.0001]
    found, _ = curve_fit(usl, sizes, throughputs, p0=start, sigma=throughputs, bounds=(0, [np.inf, 1, 1]))
    return found


def ceiling(rate, contention):
    """Return what X(N) comes close to for a very large N, as long as κ plays no part."""
    return rate / contention


def knee(rate, contention):
    """Return the size at which the line of the start, λN, reaches the ceiling."""
    return ceiling(rate, contention) / rate


def efficiency(one, two):
    """Return the throughput of two replicas as a share of twice that of one: 1 is twice as much."""
    return two / (2 * one)
