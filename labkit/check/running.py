"""Checks one after the other: what each finds, however it ends."""

import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from labkit.check.finding import Finding, Skip, failed
from labkit.errors import CannotRun

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Check(Generic[Subject]):
    """A check by its short name; the function's docstring is the claim."""

    name: str
    run: Callable[[Subject], Finding]

    @property
    def claim(self) -> str:
        return (self.run.__doc__ or "").strip().split("\n")[0]


def chosen(checks: Sequence[Check[Subject]], only: Iterable[str]) -> tuple[Check[Subject], ...]:
    """Return the checks of these names in their own order, all without any. Raises CannotRun for an unknown name."""
    names = set(only)
    unknown = names - {check.name for check in checks}
    if unknown:
        known = ", ".join(check.name for check in checks)
        raise CannotRun(f"no check {', '.join(sorted(unknown))}; there are: {known}")
    return tuple(check for check in checks if not names or check.name in names)


def run_checks(
    checks: Iterable[Check[Subject]], subject: Subject, tell: Callable[[Finding], None] = lambda _: None
) -> list[Finding]:
    """Return a finding for each check, told as soon as it is there."""
    findings = []
    for check in checks:
        finding = found(check, subject)
        findings.append(finding)
        tell(finding)
    return findings


def found(check: Check[Subject], subject: Subject) -> Finding:
    """Return what one check finds. What it needs and does not get is a failure, with the next step that it names."""
    begun = time.monotonic()
    try:
        finding = check.run(subject)
    except Skip as reason:
        finding = Finding("skipped", str(reason))
    except CannotRun as error:
        seen, _, next_step = str(error).partition("; next: ")
        finding = failed(seen, next_step)
    except Exception as error:  # what one check did not expect must not cost what the others find
        told = f"the check broke off: {type(error).__name__}: {error}"
        finding = failed(told, "--json has the traceback", traceback=traceback.format_exc())
    return replace(finding, name=check.name, seconds=round(time.monotonic() - begun, 1), at=time.time())


def all_passed(findings: Iterable[Finding]) -> bool:
    """Say whether nothing failed and something was tried."""
    verdicts = [finding.verdict for finding in findings]
    return "failed" not in verdicts and "passed" in verdicts
