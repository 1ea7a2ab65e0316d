"""What a check found: its verdict, what was seen in one line and as figures, and the next step when it is not right."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Verdict = Literal["passed", "failed", "skipped"]


class Skip(Exception):
    """A check cannot be tried here, because nobody promised what it needs; the text says what that is."""


@dataclass(frozen=True)
class Finding:
    """The result of one check. `seen` is a short line for people, `figures` the same for a machine."""

    verdict: Verdict
    seen: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    next: str = ""
    expected: str = ""
    """What a right system would have shown, in figures: the other half of `seen`."""
    name: str = ""
    seconds: float = 0.0
    at: float = 0.0
    """Epoch seconds at the end of the check."""

    def to_dict(self) -> dict[str, Any]:
        first = ("name", "verdict", "seen")
        facts = asdict(self)
        return {name: facts[name] for name in (*first, *(one for one in facts if one not in first))}


def from_dict(facts: Mapping[str, Any]) -> Finding:
    """Read what `to_dict` wrote; raises TypeError for anything else."""
    return Finding(**facts)


def passed(seen: str, **figures: Any) -> Finding:
    return Finding("passed", seen, figures)


def failed(seen: str, next_step: str, **figures: Any) -> Finding:
    return Finding("failed", seen, figures, next_step)


def verdict(good: bool, seen: str, next_step: str, **figures: Any) -> Finding:
    """Return what passes when `good`, else fails with the next step."""
    return passed(seen, **figures) if good else failed(seen, next_step, **figures)


def judged(good: bool, *, expected: str, seen: str, next_step: str) -> Finding:
    """Return what passes when `good`, else fails with all that a student needs: expected, seen, next step."""
    return Finding("passed", seen) if good else Finding("failed", seen, {}, next_step, expected)
