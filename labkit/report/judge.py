"""From a run's folder to its judgement and its page."""

from collections import Counter
from pathlib import Path

import msgspec

from labkit.report.gaps import NO_ANSWER
from labkit.report.jobs import jobs_line
from labkit.report.latency import merged
from labkit.report.page import write_page
from labkit.report.prometheus import ServerView, server_view
from labkit.report.reconcile import reconciliation, sent_by_key
from labkit.report.run_folder import Entry, Run, read_run
from labkit.report.server_facts import server_facts
from labkit.report.summary import ErrorKind, GeneratorFacts, Latency, Rates, Route, Summary, Totals
from labkit.report.verdict import judged, outcome, validity


def build(folder: Path, prometheus: str | None = None) -> Summary:
    """Judge the run in `folder`; write summary.json, report.html and, once, server.json (Prometheus's answers).

    `prometheus` asks that server anew; without it the answers kept in the folder count, else the run's own URL.
    Raises CannotRun when a file of the run is missing or damaged; a Prometheus that is gone is only reported.
    """
    run = read_run(folder)
    known = run.facts.urls.get("prometheus")
    view = server_view(
        folder,
        run.facts.started,
        run.facts.ended,
        _counted_at(run),
        prometheus or (str(known) if known else None),
        fresh=prometheus is not None,
    )
    summary = summarise(run, view)
    (folder / "summary.json").write_bytes(msgspec.json.format(msgspec.json.encode(summary.to_dict()), indent=2))
    write_page(folder / summary.report, summary, run, view)
    return summary


def summarise(run: Run, view: ServerView) -> Summary:
    """Return the run's summary: pure, nothing is read or written."""
    facts, checked, objectives, jobs = run.facts, validity(run), judged(run), jobs_line(run)
    lost = jobs.lost if jobs is not None and not facts.interrupted else 0
    return Summary(
        id=facts.id,
        scenario=facts.scenario_name,
        started=facts.started,
        ended=facts.ended,
        duration_s=round(facts.ended - facts.started, 3),
        mode=facts.mode,
        seed=facts.seed,
        users=facts.users,
        processes=facts.processes,
        edge=facts.edge,
        host=facts.host,
        interrupted=facts.interrupted,
        argv=facts.argv,
        versions=facts.versions,
        verdict=outcome(checked, objectives, lost_jobs=lost),
        validity=checked,
        objectives=objectives,
        rates=_rates(run),
        totals=_totals(run),
        latency=_latency(*run.entries),
        routes=tuple(_route(entry) for entry in sorted(run.entries, key=lambda e: (e.name, e.method))),
        errors=_errors(run),
        generator=GeneratorFacts(run.generator.max_cpu_percent, run.generator.saturated, run.generator.reasons),
        server=server_facts(view, run.counters, facts.started, facts.ended),
        reconciliation=reconciliation(run, view),
        jobs=jobs,
        left_out=run.generator.left_out,
        folder=str(run.folder),
    )


def _counted_at(run: Run) -> tuple[float, float]:
    """Return when the replicas' counters were read: (before the first, after the last request)."""
    sides = (run.counters.before, run.counters.after) if run.counters else ({}, {})
    before, after = ([s.t for s in side.values() if s.t is not None] for side in sides)
    return min(before, default=run.facts.started), max(after, default=run.facts.ended)


def _rates(run: Run) -> Rates:
    facts, scheduled = run.facts, run.facts.mode != "closed"
    length = max(facts.ended - facts.started, 1e-9)
    sent = sum(entry.sent for entry in run.entries)
    failed = sum(entry.failed for entry in run.entries)
    silent = _totals(run).no_answer
    schedule = run.schedule_s
    intended = run.generator.intended
    return Rates(
        offered=intended / schedule if scheduled and intended is not None else None,
        sent=sent / (schedule if scheduled else length),
        answered=(sent - silent) / length,
        goodput=(sent - failed) / length,
        achieved=run.generator.achieved if scheduled else None,
    )


def _totals(run: Run) -> Totals:
    statuses: Counter[str] = Counter()
    for (_, _, status), n in sent_by_key(run.entries).items():
        statuses[status] += n
    sent, failed = (sum(getattr(e, what) for e in run.entries) for what in ("sent", "failed"))
    return Totals(
        intended=run.generator.intended if run.facts.mode != "closed" else None,
        sent=sent,
        follow_ups=sum(second.follow_ups for second in run.timeline),
        ok=sum(entry.ok for entry in run.entries),
        failed=failed,
        no_answer=statuses[NO_ANSWER],
        failed_ratio=failed / sent if sent else 0.0,
        statuses=dict(sorted((status, n) for status, n in statuses.items() if n)),
    )


def _latency(*entries: Entry) -> Latency:
    corrected = merged(entry.response_time for entry in entries)
    return Latency(merged(entry.service_time for entry in entries).percentiles(), corrected.percentiles())


def _route(entry: Entry) -> Route:
    return Route(
        entry.method,
        entry.name,
        entry.sent,
        entry.ok,
        entry.failed,
        dict(sorted(entry.statuses.items())),
        _latency(entry),
    )


def _errors(run: Run) -> tuple[ErrorKind, ...]:
    entries = (*run.entries, run.jobs) if run.jobs is not None else run.entries
    found = [ErrorKind(e.method, e.name, f.kind, f.count, f.example) for e in entries for f in e.errors]
    return tuple(sorted(found, key=lambda error: -error.count))
