"""What a student has done, lab by lab: kept beside the work, read by the progress table and the export."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from labkit.check.finding import Finding
from labkit.course.manifest import Lab
from labkit.errors import CannotRun
from labkit.stack.record import write_whole

State = Literal["not started", "started", "passed"]
SOLUTION_SEEN = {"": "", "after": "after the pass", "anyway": "before a pass"}
"""`Result.solved` in words."""


@dataclass(frozen=True)
class Result:
    """One lab of one student; times are epoch seconds, 0 for what has not happened."""

    started: float = 0.0
    checked: float = 0.0
    passed: float = 0.0
    """When all checks passed for the first time."""
    tries: int = 0
    hints: int = 0
    solved: Literal["", "after", "anyway"] = ""
    """Whether the solution was shown, after a pass or without one."""
    findings: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)
    """What the last check found."""

    @property
    def state(self) -> State:
        return "passed" if self.passed else "started" if self.started else "not started"


def results(work: Path) -> dict[str, Result]:
    """Return what is kept, by the labs' numbers. Raises CannotRun for a file that is broken."""
    file = _file(work)
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        return {number: _result(one) for number, one in facts.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CannotRun(f"{file} cannot be read ({error}); next: move it away, then lab check again") from error


def result(work: Path, lab: Lab) -> Result:
    return results(work).get(lab.number, Result())


def note(work: Path, lab: Lab, **changes: Any) -> Result:
    """Change what is kept of one lab, and return it."""
    known = results(work)
    changed = replace(known.get(lab.number, Result()), **changes)
    known[lab.number] = changed
    file = _file(work)
    file.parent.mkdir(parents=True, exist_ok=True)
    kept = {number: asdict(known[number]) for number in sorted(known)}
    write_whole(file, json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    return changed


def note_findings(work: Path, lab: Lab, findings: Iterable[Finding], good: bool) -> Result:
    """Keep what a whole check found; the first pass keeps its time."""
    before, now = result(work, lab), time.time()
    return note(
        work,
        lab,
        checked=now,
        tries=before.tries + 1,
        passed=before.passed or (now if good else 0.0),
        findings=tuple(finding.to_dict() for finding in findings),
    )


def _result(kept: Mapping[str, Any]) -> Result:
    """Read one lab's entry; raises ValueError, TypeError or KeyError for what `note` never writes."""
    found = Result(**{**kept, "findings": tuple(kept["findings"])})
    times = (found.started, found.checked, found.passed, found.tries, found.hints)
    if not all(isinstance(value, int | float) for value in times) or found.solved not in ("", "after", "anyway"):
        raise ValueError(f"no result: {kept}")
    if not all(isinstance(one, dict) and "verdict" in one for one in found.findings):
        raise ValueError("a finding without a verdict")
    return found


def _file(work: Path) -> Path:
    return work / ".course" / "results.json"
