"""A student's runs of a scenario, and what they say under other objectives than their own."""

from collections.abc import Iterator

import msgspec

from labkit.course.results import result
from labkit.course.work import Work
from labkit.loadgen.slo import Objectives
from labkit.report.history import run_folders
from labkit.report.latency import merged
from labkit.report.run_folder import Run, read_facts, read_run
from labkit.report.verdict import Outcome, Validity, judged, outcome


def runs_of(work: Work, scenario: str) -> Iterator[Run]:
    """Yield the whole runs of a scenario since the lab was begun, newest first."""
    begun = result(work.folder.parent, work.lab).started
    for folder in run_folders(work.home.runs):
        facts = read_facts(folder)
        if facts.started < begun:
            return
        if facts.scenario_name == scenario and not facts.interrupted:
            yield read_run(folder)


def verdict_by(objectives: Objectives, run: Run) -> Outcome:
    """Return how these objectives judge a run, be it valid or not; `lab load` ends with 1 for breached."""
    facts = msgspec.structs.replace(run.facts, slo=msgspec.to_builtins(objectives))
    trusted = Validity(valid=True, saturated=False, reasons=())
    return outcome(trusted, judged(msgspec.structs.replace(run, facts=facts)))


def offered(run: Run) -> float:
    """Return the requests a second that were intended, 0 for a closed loop."""
    return (run.generator.intended or 0) / run.schedule_s


def p99(run: Run, *, naive: bool = False) -> float:
    """Return the p99 of all requests in ms, 0 when none was measured; naive: from the moment of sending."""
    return merged(one.service_time if naive else one.response_time for one in run.entries).at(99.0) or 0.0
