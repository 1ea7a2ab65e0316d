"""When the load was steady, and how high: idle before the run, then low, high and low again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.errors import CannotRun


@dataclass(frozen=True)
class Phase:
    """A stretch of constant load, epoch seconds, without the time that averages need to settle."""

    name: str
    rate: float
    start: float
    end: float


@dataclass(frozen=True)
class Phases:
    idle: Phase
    first_low: Phase
    high: Phase
    last_low: Phase

    @property
    def loaded(self) -> tuple[Phase, Phase, Phase]:
        return self.first_low, self.high, self.last_low

    @property
    def all(self) -> tuple[Phase, ...]:
        return (self.idle, *self.loaded)


def phases_of(run: Mapping[str, Any], settle: float) -> Phases:
    """Return the phases of a run (its run.json), each without its first `settle` seconds.

    Raises CannotRun when the load did not go from low to high and back, or too fast for averages to settle.
    """
    segments = run["scenario"].get("segments") or []
    constant = [part for part in segments if part[1] == part[2]]
    if len(segments) != 3 or constant != segments or not segments[0][1] < segments[1][1] > segments[2][1]:
        raise CannotRun(f"run {run['id']} has not the steps low, high, low; next: lab prove dashboards")
    shortest = min(part[0] for part in segments)
    if shortest <= settle:
        raise CannotRun(
            f"run {run['id']} holds a rate for {shortest:g} s and averages need {settle:g} s to settle; "
            "next: a longer --duration, or a shorter --settle"
        )
    began = float(run["started"])
    judged = min(part[0] for part in segments) - settle
    found = [Phase("idle", 0.0, began - judged, began)]
    for name, (seconds, rate, _) in zip(("low", "high", "low again"), segments, strict=True):
        began += seconds
        found.append(Phase(name, rate, began - judged, began))
    return Phases(*found)


def span(phases: Phases) -> tuple[float, float]:
    """Return the time from the first to the last judged moment."""
    return phases.idle.start, phases.last_low.end


def within(points: Sequence[tuple[float, float]], phase: Phase) -> list[float]:
    """Return the values of a phase. Its first moment belongs to the one before."""
    return [value for moment, value in points if phase.start < moment <= phase.end]
