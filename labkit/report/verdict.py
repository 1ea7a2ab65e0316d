"""The judgement of a run: each objective measured, and no verdict "good" from a run that proves nothing."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from labkit.loadgen.recorder import JOB
from labkit.loadgen.slo import Objective, Objectives
from labkit.report.latency import merged
from labkit.report.run_folder import Entry, Run

Outcome = Literal["good", "breached", "invalid", "unjudged"]


class Validity(msgspec.Struct, frozen=True):
    """Whether the run says anything about the service: a saturated generator measures itself."""

    valid: bool
    saturated: bool
    reasons: tuple[str, ...]


class Judged(msgspec.Struct, frozen=True):
    """One objective with the number measured; `good` is None when the run cannot tell, and `note` says why."""

    name: str
    kind: str
    selects: str
    measured: float | None
    limit: float
    unit: str
    at_least: bool
    good: bool | None
    note: str = ""


def validity(run: Run) -> Validity:
    """Return whether the run may be judged, with every reason against it."""
    reasons = list(run.generator.reasons)
    if run.generator.saturated and not reasons:
        reasons.append("the load generator was saturated")
    if not sum(entry.sent for entry in run.entries):
        reasons.append("no request was sent")
    return Validity(valid=not reasons, saturated=run.generator.saturated, reasons=tuple(reasons))


def judged(run: Run) -> tuple[Judged, ...]:
    """Return each objective of the run's SLO file with its measured number."""
    objectives = msgspec.convert(run.facts.slo, Objectives) if run.facts.slo else Objectives(())
    return tuple(_judge(objective, run) for objective in objectives.objective)


def outcome(validity: Validity, verdicts: Sequence[Judged], *, lost_jobs: int = 0) -> Outcome:
    """Return the verdict of the whole run: invalid before breached, and good only if something was judged.

    `lost_jobs`, accepted and never answered, breach a promise that needs no objective.
    """
    if not validity.valid:
        return "invalid"
    if lost_jobs or any(one.good is False for one in verdicts):
        return "breached"
    return "good" if any(one.good for one in verdicts) else "unjudged"


def _judge(objective: Objective, run: Run) -> Judged:
    jobs = [run.jobs] if run.jobs is not None else []
    chosen = jobs if objective.method == JOB else [e for e in run.entries if objective.selects(e.method, e.name)]
    measured, note = _measure(objective, chosen, run)
    good = None
    if measured is not None:
        good = measured >= objective.limit if objective.at_least else measured <= objective.limit
    elif sum(entry.sent for entry in chosen) and run.facts.mode != "closed":
        good = False  # requests were sent, and not one could be measured: the promise was not kept
    return Judged(
        objective.name,
        objective.kind,
        _selection(objective),
        measured,
        objective.limit,
        objective.unit,
        objective.at_least,
        good,
        note,
    )


def _measure(objective: Objective, chosen: Sequence[Entry], run: Run) -> tuple[float | None, str]:
    """Return the number in the objective's unit, or None and why there is none."""
    closed, sent = run.facts.mode == "closed", sum(entry.sent for entry in chosen)
    if closed and objective.kind in ("achieved-rate", "response-time"):
        return None, "a closed loop has no intended starts"
    if objective.kind == "achieved-rate":
        achieved = run.generator.achieved
        return (None, "the generator did not say") if achieved is None else (100 * achieved, "")
    if not sent:
        return None, "no job in the run" if objective.method == JOB else "no request of this kind in the run"
    value: float | None
    if objective.kind == "error-ratio":
        value = 100 * sum(entry.failed for entry in chosen) / sent
    elif objective.kind == "goodput":
        value = sum(entry.ok for entry in chosen) / max(run.facts.ended - run.facts.started, 1e-9)
    else:
        corrected = objective.kind == "response-time"
        histograms = (entry.response_time if corrected else entry.service_time for entry in chosen)
        value = merged(histograms).at(objective.percentile or 100.0)
    return value, "" if value is not None else "no answer was measured"


def _selection(objective: Objective) -> str:
    if objective.kind == "achieved-rate":
        return "whole run"
    if (objective.method, objective.route) == ("*", "*"):
        return "all requests"
    if objective.method == JOB:
        return "jobs"
    return f"{'any' if objective.method == '*' else objective.method} {objective.route}"
