"""What the answers to one question prove: that they are there, move with the load, and stay still when they should.

Pure arithmetic over phases of constant load. See docs/decisions/0069 for what is asked of each kind, and why.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median, quantiles, stdev
from typing import Literal

from labkit.prove.phases import Phase, Phases, within

Points = Sequence[tuple[float, float]]
Kind = Literal["follows", "responds", "steady", "grows", "alert", "exception"]

CLEAR = 3.0
"""Standard errors that two phases must be apart."""
LEAST_MOVE = 0.25
"""Of the larger one: what moves by less does not follow a load that is multiplied."""
MOST_DRIFT = 0.5
"""Of the way between low and high: what drifts further within one phase follows time, not the load."""
STILL = 0.1
"""Of the value itself: a steady one may wander by so much."""
STEEPER = 1.5
PRESENT = 0.5
"""Share of a phase's moments at which there must be a value."""
NOTHING = 1e-9


@dataclass(frozen=True)
class Level:
    """A series in one phase: mean and its standard error, median, distance of the quartiles.

    `change` leads from the mean of the first half to that of the second, less its own standard error: what comes in
    small numbers is never even. `rise` leads from the first value to the last, a second.
    """

    mean: float
    error: float
    middle: float
    spread: float
    change: float
    rise: float


@dataclass(frozen=True)
class Proof:
    """`moves` and `still` are None where they were not judged; `why` says what is missing."""

    data: bool
    moves: bool | None = None
    still: bool | None = None
    why: str = ""

    @property
    def proved(self) -> bool:
        return self.data and self.moves is not False and self.still is not False


@dataclass(frozen=True)
class Tolerance:
    """How far a steady value may wander: a share of it, or an amount in its own unit."""

    share: float = STILL
    amount: float = 0.0

    def allows(self, wandered: float, scale: float) -> bool:
        return wandered <= max(self.share * scale, self.amount) + NOTHING


def level(points: Points, phase: Phase, step: float) -> Level | None:
    """Return where a series is in a phase, None when it has no value at most of its moments."""
    values = within(points, phase)
    if len(values) < max(2, PRESENT * (phase.end - phase.start) / step):
        return None
    low, _, high = quantiles(values, n=4, method="inclusive")
    half = len(values) // 2
    first, second = values[:half], values[-half:]
    change = fmean(second) - fmean(first)
    chance = math.hypot(*(stdev(part) / math.sqrt(half) for part in (first, second))) if half > 1 else 0.0
    return Level(
        mean=fmean(values),
        error=stdev(values) / math.sqrt(len(values)),
        middle=median(values),
        spread=high - low,
        change=math.copysign(max(0.0, abs(change) - chance), change),
        rise=(values[-1] - values[0]) / (phase.end - phase.start),
    )


def judged(
    kind: Kind, series: Sequence[Points], phases: Phases, step: float, tolerance: Tolerance = Tolerance()
) -> Proof:
    """Judge one question by all its series; `tolerance` is that of a steady one."""
    series = [points for points in series if points]
    total = added(series)
    if missing := [phase.name for phase in phases.loaded if level(total, phase, step) is None]:
        return Proof(data=False, why=f"no data while the load is {' and '.join(missing)}")
    if kind == "exception":
        return Proof(data=True)
    if kind == "steady":
        return _steady(series, phases, step, tolerance)
    judges = {"follows": (_follows,), "responds": (_responds,), "grows": (_grows,)}
    proofs = [
        _best(series, total, lambda points, judge=judge: judge(points, phases, step))  # type: ignore[misc]  # a default binds it
        for judge in judges.get(kind, (_follows, _responds, _grows))
    ]
    if kind == "alert":  # its value may react to the load or not; but it must not drift or jump about
        proofs.append(_steady(series, phases, step, tolerance))
    return next((proof for proof in proofs if proof.proved), proofs[-1])


def added(series: Sequence[Points]) -> Points:
    """Return the sum of all series, moment by moment; of those that are there."""
    sums: dict[float, float] = {}
    for points in series:
        for moment, value in points:
            sums[moment] = sums.get(moment, 0.0) + value
    return sorted(sums.items())


def _best(series: Sequence[Points], total: Points, judge: Callable[[Points], Proof]) -> Proof:
    """Judge the sum; where that does not do, at least half of the series that are not always zero must."""
    whole = judge(total)
    if whole.proved or len(series) < 2:
        return whole
    active = [points for points in series if any(value for _, value in points)]
    proved = sum(judge(points).proved for points in active)
    if active and proved >= len(active) / 2:
        return Proof(data=True, moves=True, still=True)
    return Proof(True, whole.moves, whole.still, f"{whole.why}; of {len(active)} series {proved} would do")


def _loaded(points: Points, phases: Phases, step: float) -> list[Level]:
    found = [level(points, phase, step) for phase in phases.loaded]
    return [one for one in found if one is not None] if None not in found else []


def _apart(one: Level, other: Level) -> bool:
    gap = abs(one.mean - other.mean)
    return gap > max(CLEAR * math.hypot(one.error, other.error), LEAST_MOVE * max(abs(one.mean), abs(other.mean)))


def _follows(points: Points, phases: Phases, step: float) -> Proof:
    """Another level under high load than under low load and in rest; and back at the old one when the load is."""
    levels = _loaded(points, phases, step)
    if not levels:
        return Proof(data=False, why="no data in a phase")
    low, high, again = levels
    idle = level(points, phases.idle, step)
    others = [one for one in (low, again, idle) if one is not None]
    gaps = [high.mean - other.mean for other in others]
    one_way = all(gap > 0 for gap in gaps) or all(gap < 0 for gap in gaps)
    if not (one_way and all(_apart(high, other) for other in others)):
        return Proof(True, moves=False, why=f"does not move with the load: {_seen(idle, *levels)}")
    way = min(abs(gap) for gap in gaps[:2])
    back = abs(again.mean - low.mean)
    drift = max(abs(one.change) for one in levels)
    if max(back, drift) > MOST_DRIFT * way:
        what = f"{back:.3g} apart at the same load" if back > drift else f"drifts by {drift:.3g} at one load"
        return Proof(True, moves=True, still=False, why=f"{what}, {way:.3g} between low and high")
    return Proof(data=True, moves=True, still=True)


def _responds(points: Points, phases: Phases, step: float) -> Proof:
    """Nothing or another level in rest than under any load; what is there only under load must not be a constant."""
    levels = _loaded(points, phases, step)
    if not levels:
        return Proof(data=False, why="no data in a phase")
    idle = level(points, phases.idle, step)
    if idle is None:
        values = {value for phase in phases.loaded for value in within(points, phase)}
        if len(values) < 2:
            return Proof(True, moves=False, why=f"is always {values.pop():.4g} under load")
        return Proof(data=True, moves=True, still=True)
    gaps = [one.mean - idle.mean for one in levels]
    one_way = all(gap > 0 for gap in gaps) or all(gap < 0 for gap in gaps)
    if not (one_way and all(_apart(one, idle) for one in levels)):
        return Proof(True, moves=False, why=f"is no other under load than in rest: {_seen(idle, *levels)}")
    return Proof(data=True, moves=True, still=True)


def _grows(points: Points, phases: Phases, step: float) -> Proof:
    """Adds up: never less than before, and faster while the load is high."""
    levels = _loaded(points, phases, step)
    if not levels:
        return Proof(data=False, why="no data in a phase")
    low, high, again = levels
    upwards = all(before.mean <= after.mean for before, after in pairwise(levels))
    rises = ", ".join(f"{one.rise:.3g}" for one in levels)
    if not upwards or min(low.rise, again.rise) < 0:
        return Proof(True, moves=False, why=f"should only grow: {rises} a second")
    if not high.rise > STEEPER * max(low.rise, again.rise):
        return Proof(True, moves=False, why=f"does not grow faster under a higher load: {rises} a second")
    return Proof(data=True, moves=True, still=True)


def _steady(series: Sequence[Points], phases: Phases, step: float, tolerance: Tolerance) -> Proof:
    """Every series stays where it is, in rest and under any load: its median, and the half of its values around it."""
    for points in series:
        found = [one for phase in phases.all if (one := level(points, phase, step)) is not None]
        if not found:
            continue
        middles = [one.middle for one in found]
        wandered = max(max(middles) - min(middles), *(one.spread for one in found))
        if not tolerance.allows(wandered, max(map(abs, middles))):
            return Proof(True, still=False, why=f"should stay still: {_seen(*found)}")
    return Proof(data=True, still=True)


def _seen(*levels: Level | None) -> str:
    shown = ", ".join("none" if one is None else f"{one.mean:.4g}" for one in levels)
    return f"{shown} (varies by {max(one.spread for one in levels if one is not None):.2g})"
