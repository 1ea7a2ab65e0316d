"""What one process saw of its requests: counts and histograms, by request and by second.

Recording one request appends to a few lists; histograms are filled in bulk once a second.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hdrh.histogram import HdrHistogram

from labkit.loadgen.buckets import Buckets
from labkit.loadgen.histograms import empty, encoded, record

Key = tuple[str, str]
"""Method and route template."""

JOB = "JOB"
"""Stands where requests have their method: a job from hand-in to answer, which several requests carry."""
DONE, FAILED, UNANSWERED = "done", "failed", "unanswered"
"""How a job ends for the client that handed it in."""


@dataclass
class Tally:
    """All requests of one method and route, or all jobs; `errors` maps a kind to its count and the first example."""

    statuses: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    errors: dict[str, tuple[int, str]] = field(default_factory=dict)
    service_time: HdrHistogram = field(default_factory=empty)
    response_time: HdrHistogram = field(default_factory=empty)
    service_buckets: Buckets = field(default_factory=Buckets)
    response_buckets: Buckets = field(default_factory=Buckets)
    service_values: list[int] = field(default_factory=list)
    response_values: list[int] = field(default_factory=list)

    def note(self, failure: tuple[str, str]) -> None:
        """Count a failure: its kind and an example."""
        kind, example = failure
        count, first = self.errors.get(kind, (0, example))
        self.errors[kind] = (count + 1, first)
        self.failed += 1

    def flush(self) -> None:
        """Put the values that wait into the histograms."""
        record(self.service_time, self.service_values)
        record(self.response_time, self.response_values)
        self.service_buckets.add(self.service_values)
        self.response_buckets.add(self.response_values)
        self.service_values, self.response_values = [], []


@dataclass
class Second:
    """What one second of one process brought: requests by the second of their start, answers by that of their end.

    `follow_ups` are those of `sent` that had no place in the schedule: questions after a job, feedback after its
    prediction.
    """

    sent: int = 0
    follow_ups: int = 0
    jobs_accepted: int = 0
    jobs_answered: int = 0
    done: int = 0
    failed: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    service_values: list[int] = field(default_factory=list)
    response_values: list[int] = field(default_factory=list)

    def message(self, t: int, busy: int) -> dict[str, Any]:
        return {
            "t": t,
            "sent": self.sent,
            "follow_ups": self.follow_ups,
            "jobs_accepted": self.jobs_accepted,
            "jobs_answered": self.jobs_answered,
            "done": self.done,
            "failed": self.failed,
            "statuses": dict(self.statuses),
            "busy": busy,
            "service_time": _encoded(self.service_values),
            "response_time": _encoded(self.response_values),
        }


def _encoded(values: list[int]) -> str | None:
    if not values:
        return None
    histogram = empty()
    record(histogram, values)
    return encoded(histogram)


class Recorder:
    """Counts of one process, from the first request to the last."""

    def __init__(self) -> None:
        self.tallies: dict[Key, Tally] = {}
        self._seconds: dict[int, Second] = {}

    def started(self, moment: float, *, follow_up: bool = False) -> None:
        """Count a request that was sent at `moment`, epoch seconds."""
        second = self._second(int(moment))
        second.sent += 1
        second.follow_ups += follow_up

    def finished(
        self,
        key: Key,
        *,
        ended: float,
        service_time: float,
        response_time: float | None,
        status: int,
        failure: tuple[str, str] | None,
    ) -> None:
        """Count an answer (status 0: none came). Times in seconds; `failure` is a kind and an example, or None."""
        tally = self._tally(key)
        second = self._second(int(ended))
        code = str(status)
        tally.statuses[code] += 1
        second.statuses[code] += 1
        second.done += 1
        micros = round(service_time * 1e6)
        tally.service_values.append(micros)
        second.service_values.append(micros)
        if response_time is not None:
            micros = round(response_time * 1e6)
            tally.response_values.append(micros)
            second.response_values.append(micros)
        if failure is not None:
            tally.note(failure)
            second.failed += 1

    def job_accepted(self, moment: float) -> None:
        self._second(int(moment)).jobs_accepted += 1

    def job_finished(
        self,
        *,
        ended: float,
        service_time: float,
        response_time: float | None,
        outcome: str,
        failure: tuple[str, str] | None,
    ) -> None:
        """Count the end of a job, in an entry of its own that is no request; times in seconds."""
        tally = self._tally((JOB, "job"))
        tally.statuses[outcome] += 1
        if outcome != UNANSWERED:
            self._second(int(ended)).jobs_answered += 1
        tally.service_values.append(round(service_time * 1e6))
        if response_time is not None:
            tally.response_values.append(round(response_time * 1e6))
        if failure is not None:
            tally.note(failure)

    def _tally(self, key: Key) -> Tally:
        found = self.tallies.get(key)
        if found is None:
            found = self.tallies[key] = Tally()
        return found

    def _second(self, t: int) -> Second:
        found = self._seconds.get(t)
        if found is None:
            found = self._seconds[t] = Second()
        return found

    def take_seconds(self, before: int, busy: int) -> Iterator[dict[str, Any]]:
        """Yield what is new in the seconds before `before`, as messages, and forget it there."""
        for t in sorted(t for t in self._seconds if t < before):
            yield self._seconds.pop(t).message(t, busy)

    def flush(self) -> Iterator[None]:
        """Put the values that wait into the histograms, one request's at each step."""
        for tally in list(self.tallies.values()):
            tally.flush()
            yield

    def counts(self) -> list[dict[str, Any]]:
        """Return what is counted so far of each request, as messages for the exporter; flushed values only."""
        return [
            {
                "method": method,
                "name": name,
                "statuses": dict(tally.statuses),
                "reasons": {kind: count for kind, (count, _) in tally.errors.items()},
                "service_time": tally.service_buckets.message(),
                "response_time": tally.response_buckets.message(),
            }
            for (method, name), tally in list(self.tallies.items())
        ]

    def entries(self) -> list[dict[str, Any]]:
        """Return all tallies as messages, histograms encoded."""
        found = []
        for (method, name), tally in sorted(self.tallies.items()):
            tally.flush()
            found.append(
                {
                    "method": method,
                    "name": name,
                    "statuses": dict(tally.statuses),
                    "failed": tally.failed,
                    "errors": [[kind, count, example] for kind, (count, example) in tally.errors.items()],
                    "service_time": encoded(tally.service_time),
                    "response_time": encoded(tally.response_time) if tally.response_time.total_count else None,
                }
            )
        return found
