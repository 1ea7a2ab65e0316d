"""A run of known load judged: every question asked over its whole time, every answer held against its kind."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from labkit.dashboards.window import Window, time_words
from labkit.errors import CannotRun
from labkit.prove import verdict
from labkit.prove.exceptions import Exceptions
from labkit.prove.phases import Phases, span, within
from labkit.prove.prometheus import Points, Prometheus, Refused
from labkit.prove.promql import metric_names
from labkit.prove.subjects import Question, Subject, alerts, panels, sorted_out
from labkit.prove.verdict import Proof, Tolerance

if TYPE_CHECKING:
    from labkit.logs.store import LogStore

STEP, LEAST_VALUES = 1.0, 8
"""Seconds between two values at most, and values in a phase at least."""
MOST_EXCEPTIONS = 0.05
ALERT_SHARE, ALERT_OF_BOUND = 0.4, 0.25
"""How far the value behind an alert may wander: of itself, and of the number that it is held against."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Finding:
    """The verdict on one question, with the sum of its series in each phase for those who want to look."""

    name: str
    query: str
    kind: str
    reason: str
    proof: Proof
    series: int
    middles: Mapping[str, float | None]


@dataclass(frozen=True)
class Judged:
    """The verdict on one panel or alert; `why` is the first thing that is missing."""

    of: str
    title: str
    findings: tuple[Finding, ...]
    why: str = ""

    @property
    def proved(self) -> bool:
        return not self.why

    @property
    def exception(self) -> bool:
        return any(finding.kind == "exception" for finding in self.findings)


@dataclass(frozen=True)
class Result:
    """All verdicts of one run; `unused` are entries of the file of exceptions that mean nothing any more,
    `notes` what disturbed the run.
    """

    run: str
    prometheus: str
    phases: Phases
    judged: tuple[Judged, ...]
    unused: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def exceptions(self) -> int:
        return sum(one.exception for one in self.judged)

    @property
    def problems(self) -> list[str]:
        """What stands against the proof as a whole."""
        found = [
            f"{name} is no panel and no alert any more; next: take it out of exceptions.toml" for name in self.unused
        ]
        if self.exceptions > MOST_EXCEPTIONS * len(self.judged):
            found.append(f"{self.exceptions} exceptions of {len(self.judged)}; at most {MOST_EXCEPTIONS:.0%} may be")
        return found

    @property
    def proved(self) -> bool:
        return all(one.proved for one in self.judged) and not self.problems

    def to_dict(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "prometheus": self.prometheus,
            "proved": self.proved,
            "subjects": len(self.judged),
            "not_proved": sum(not one.proved for one in self.judged),
            "exceptions": self.exceptions,
            "problems": self.problems,
            "notes": list(self.notes),
            "phases": [asdict(phase) for phase in self.phases.all],
            "judged": [asdict(one) | {"proved": one.proved, "exception": one.exception} for one in self.judged],
        }


def prove(
    run: str,
    phases: Phases,
    dashboards: Path,
    exceptions: Exceptions,
    prometheus: str,
    logs: "LogStore | None",
    scrape: float,
    notes: Sequence[str] = (),
    say: Say = lambda _: None,
) -> Result:
    """Judge all panels and alerts by what the run did to them. Raises CannotRun."""
    step = _step(phases)
    with Prometheus(prometheus) as source:
        asked = [*panels(dashboards, _words(phases, step, scrape)), *alerts(source.rules())]
        subjects, unused = sorted_out(asked, exceptions)
        court = _Court(source, logs, phases, step)
        judged = []
        for number, subject in enumerate(subjects, 1):
            say(f"{number} of {len(subjects)}: {subject.of} {subject.title}")
            judged.append(court.judge(subject))
    return Result(run, prometheus, phases, tuple(judged), tuple(unused), tuple(notes))


def prove_panels(phases: Phases, dashboards: Path, prometheus: str, scrape: float) -> tuple[Judged, ...]:
    """Judge the panels of a folder alone, by a load of anybody's that went from low to high and back.

    Each must follow the load. Raises CannotRun.
    """
    step = _step(phases)
    with Prometheus(prometheus) as source:
        court = _Court(source, None, phases, step)
        return tuple(court.judge(subject) for subject in panels(dashboards, _words(phases, step, scrape)))


def _step(phases: Phases) -> float:
    return min(STEP, (phases.high.end - phases.high.start) / LEAST_VALUES)


def _words(phases: Phases, step: float, scrape: float) -> dict[str, str]:
    return time_words(Window(*span(phases)), step, scrape)


class _Court:
    """Asks and judges; knows what is asked of all subjects alike."""

    def __init__(self, source: Prometheus, logs: "LogStore | None", phases: Phases, step: float) -> None:
        self._source = source
        self._logs = logs
        self._phases = phases
        self._step = step
        self._start, self._end = span(phases)
        self._known = source.names(self._start, self._end)
        self._fired = source.firing(self._start, self._end)

    def judge(self, subject: Subject) -> Judged:
        if any(question.entry is not None and question.entry.together for question in subject.questions):
            findings: tuple[Finding, ...] = (self._finding(*subject.questions),)
        else:
            findings = tuple(self._finding(question) for question in subject.questions)
        why = next((f"{one.name}: {one.proof.why}" for one in findings if not one.proof.proved), "")
        if subject.is_alert and not why:
            fired = subject.title in self._fired
            if fired and not subject.always_fires:
                why = "it fired during the standard load"
            if not fired and subject.always_fires:
                why = "it did not fire, and always should"
        return Judged(subject.of, subject.title, findings, why)

    def _finding(self, *questions: Question) -> Finding:
        """Judge one question, or all that are parts of one whole."""
        question = questions[0]
        middles: dict[str, float | None] = {}
        series: list[Points] = []
        try:
            series = [points for one in questions for points in self._asked(one)]
        except (Refused, CannotRun) as error:
            proof = Proof(data=False, why=str(error))
        else:
            proof = self._proof(questions, series)
            total = verdict.added(series)
            for phase in self._phases.all:
                values = within(total, phase)
                middles[phase.name] = median(values) if values else None
        reason = question.entry.reason if question.entry is not None else ""
        name, text = ", ".join(one.name for one in questions), "\n".join(one.text for one in questions)
        return Finding(name, text, question.kind, reason, proof, len(series), middles)

    def _proof(self, questions: Sequence[Question], series: list[Points]) -> Proof:
        question = questions[0]
        entry = question.entry
        asked = [metric_names(one.text) for one in questions if one.source == "prometheus"]
        unknown = {name for names in asked for name in names if not self._known & {name, _family(name)}}
        if unknown and question.kind != "exception":
            return Proof(data=False, why=f"nobody has {', '.join(sorted(unknown))}")
        if entry is not None and entry.empty and not any(series):
            return Proof(data=True)
        if entry is not None:
            tolerance = Tolerance(entry.within, entry.amount)
        else:
            tolerance = Tolerance(ALERT_SHARE, ALERT_OF_BOUND * abs(question.bound))
        step = self._step if question.source == "prometheus" else 2 * self._step
        return verdict.judged(question.kind, series, self._phases, step, tolerance)

    def _asked(self, question: Question) -> list[Points]:
        if question.source == "prometheus":
            return self._source.over_time(question.text, self._start, self._end, self._step)
        if self._logs is None:
            raise CannotRun("this stack keeps no logs (profile core); next: lab down, then lab up")
        step = 2 * self._step
        found = self._logs.histogram(question.text, self._start, self._end, step, by=question.by)
        # A count belongs to the moment at which it was complete, as a rate of Prometheus does.
        return [[(moment + step, float(count)) for moment, count in points] for points in found.values()]


def _family(name: str) -> str:
    """Return the metric that a histogram's or a counter's series belongs to."""
    for suffix in ("_bucket", "_count", "_sum", "_total"):
        name = name.removesuffix(suffix)
    return name
