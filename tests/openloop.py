"""An open-loop load source: requests leave when they are due, whether or not earlier ones were answered.

It is a process of its own (tests/openloop_process.py), so that neither the test nor its garbage collector
delays a request, and one thread around a selector, so that a request costs it some 30 µs. Latency counts from the
*intended* start: time that a request waits in the source is in it. What the source did is in the result as well (how
late it sent, how much processor time it used): a test must not judge a service by a source that could not keep up.
"""

import contextlib
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.service import end, start_bound

SERIAL = "#" * 9
"""In a body it becomes a number that no other request of the run has."""
GRACE_SECONDS = 5.0
"""Answers that come later than this after the last phase are not waited for."""


class Target(NamedTuple):
    """Where a request goes, and what it says."""

    path: str
    body: str


class Phase(NamedTuple):
    """`rate` requests a second for some seconds; or, closed loop, always `clients` of them under way."""

    seconds: float
    rate: float = 0.0
    clients: int = 0


class Requests(NamedTuple):
    """One row per request, in the order of their intended starts; times in seconds of `time.monotonic`."""

    intended: NDArray[np.float64]
    sent: NDArray[np.float64]
    ended: NDArray[np.float64]
    """NaN when no answer came."""
    status: NDArray[np.int64]
    """0 when no answer came."""
    target: NDArray[np.int64]
    retry_after: NDArray[np.bool_]
    digest: NDArray[np.int64]
    """CRC-32 of the answer's body."""

    def within(self, start: float, stop: float) -> "Requests":
        """Return those whose intended start lies in [start, stop)."""
        return self.where((self.intended >= start) & (self.intended < stop))

    def where(self, chosen: NDArray[np.bool_]) -> "Requests":
        columns: list[Any] = [column[chosen] for column in self]
        return Requests(*columns)

    @property
    def latency(self) -> NDArray[np.float64]:
        """Seconds from the intended start to the end of the answer; infinite when none came."""
        return np.where(np.isnan(self.ended), np.inf, self.ended - self.intended)

    def percentile(self, q: float) -> float:
        """Return a percentile of the latency in seconds: a value that occurred, the higher one of two."""
        return float(np.percentile(self.latency, q, method="higher"))

    def on_time(self, tolerance: float = 0.01) -> float:
        """Return the share of the requests that left at most `tolerance` seconds after they were due."""
        return float(np.mean(np.nan_to_num(self.sent - self.intended, nan=np.inf) <= tolerance))


class Outcome(NamedTuple):
    requests: Requests
    boundaries: list[float]
    """Start of each phase, and the end of the last."""
    cpu: list[list[float]]
    """[time, processor time so far] of the source, once a second."""

    def busiest(self, window: float = 5.0) -> float:
        """Return the largest share of a core that the source used over any `window` seconds."""
        times, used = np.array(self.cpu).T
        later = np.searchsorted(times, times + window)
        spans = [(first, last) for first, last in enumerate(later) if last < len(times)] or [(0, len(times) - 1)]
        return max(float((used[b] - used[a]) / (times[b] - times[a])) for a, b in spans)


class Source:
    """A running source process."""

    def __init__(self, folder: Path, port: int, targets: Sequence[Target], phases: Sequence[Phase], most: int) -> None:
        """`most`: connections at most; requests that find none free leave late, and say so."""
        folder.mkdir(parents=True, exist_ok=True)
        self._result = folder / "result.npz"
        plan = {"port": port, "targets": targets, "phases": phases, "most": most}
        (folder / "plan.json").write_text(json.dumps(plan))
        command = [sys.executable, "-m", "tests.openloop_process", str(folder / "plan.json"), str(self._result)]
        self.process = start_bound(command)

    def finish(self, within: float) -> Outcome:
        """Wait for the end of the last phase and return what happened."""
        code = self.process.wait(within)
        assert code == 0, f"the load source ended with {code}"
        with np.load(self._result) as arrays:
            requests = Requests(*(arrays[name] for name in Requests._fields))
            return Outcome(requests, arrays["boundaries"].tolist(), arrays["cpu"].tolist())

    def stop(self) -> Outcome:
        """End the present phase now, skip those to come."""
        self.process.send_signal(signal.SIGTERM)
        return self.finish(GRACE_SECONDS + 10)


@contextlib.contextmanager
def running_source(
    folder: Path, port: int, targets: Sequence[Target], phases: Sequence[Phase], *, most: int = 500
) -> Iterator[Source]:
    source = Source(folder, port, targets, phases, most)
    try:
        yield source
    finally:
        end(source.process, signal.SIGKILL)


def drive(folder: Path, port: int, targets: Sequence[Target], phases: Sequence[Phase], *, most: int = 500) -> Outcome:
    """Run all phases and return what happened."""
    with running_source(folder, port, targets, phases, most=most) as source:
        return source.finish(sum(phase.seconds for phase in phases) + GRACE_SECONDS + 30)
