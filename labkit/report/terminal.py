"""Runs, verdicts and comparisons on the terminal."""

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from labkit.report import words
from labkit.report.compare import Comparison, sentence
from labkit.report.history import Listed
from labkit.report.jobs import JobsLine, jobs_truth
from labkit.report.latency import Percentiles
from labkit.report.reconcile import Reconciliation
from labkit.report.summary import Summary
from labkit.report.truth import truth
from labkit.report.verdict import Judged

COLOUR = {"good": "green", "breached": "red", "invalid": "magenta", "unjudged": "yellow"}
ROWS_SHOWN = 8
LINES_SHOWN = 14
WIDTH = 100


def print_verdict(summary: Summary, console: Console) -> None:
    """Print objectives, rates, both latencies, the truth line and where the page is."""
    colour = COLOUR[summary.verdict]
    console.print(f"[bold]{escape(summary.id)}[/]  {words.duration(summary.duration_s)}  "
                  f"[bold {colour}]{summary.verdict.upper()}[/]", highlight=False)  # fmt: skip
    for reason in summary.validity.reasons:
        console.print(f"[{colour}]invalid:[/] {escape(reason)}", highlight=False)
    console.print(_objectives(summary))
    for note in dict.fromkeys(one.note for one in summary.objectives if one.note):
        console.print(f"[yellow]not judged:[/] {escape(note)}", highlight=False)
    console.print(_latencies(summary))
    console.print(_rates(summary), highlight=False)
    if not summary.server.available:
        console.print(f"[yellow]no server view:[/] {escape(summary.server.problem)}", highlight=False)
    _print_truth(summary.reconciliation, console)
    if summary.jobs is not None:
        _print_jobs(summary.jobs, console)
    if summary.left_out:
        console.print(f"[yellow]left out:[/] {escape(summary.left_out)}", highlight=False)
    # Never wrapped: a path is copied or clicked as a whole.
    console.print(f"report: {escape(f'{summary.folder}/{summary.report}')}", highlight=False, soft_wrap=True)


def _objectives(summary: Summary) -> Table:
    table = Table("objective", "of", box=None, pad_edge=False, header_style="bold")
    for title in ("measured", "limit"):
        table.add_column(title, justify="right")
    table.add_column("verdict")
    for one in summary.objectives:
        table.add_row(
            escape(one.name),
            escape(one.selects),
            words.quantity(one.measured, one.unit),
            f"{'≥' if one.at_least else '≤'} {words.limit(one.limit, one.unit)}",
            _mark(one) if summary.valid or one.good is None else "does not count",
        )
    return table


def _mark(one: Judged) -> str:
    if one.good is None:
        return "[yellow]not judged[/]"
    return "[green]kept[/]" if one.good else "[bold red]breached[/]"


def _latencies(summary: Summary) -> Table:
    table = Table("latency (ms)", box=None, pad_edge=False, header_style="bold")
    for title in ("p50", "p90", "p99", "p99.9", "max"):
        table.add_column(title, justify="right")
    for name, found in (
        ("service time (naive)", summary.latency.service_time),
        ("response time (corrected)", summary.latency.response_time),
    ):
        table.add_row(name, *_percentiles(found))
    return table


def _percentiles(found: Percentiles | None) -> tuple[str, ...]:
    values = (found.p50, found.p90, found.p99, found.p999, found.max) if found else (None,) * 5
    return tuple(words.number(value) for value in values)


def _rates(summary: Summary) -> str:
    rates, totals = summary.rates, summary.totals
    offered = f"offered {words.number(rates.offered)}/s, " if rates.offered is not None else ""
    achieved = f", {words.percent(rates.achieved)} of the schedule on time" if rates.achieved is not None else ""
    achieved += f", {words.count(totals.follow_ups)} follow-ups among them" if totals.follow_ups else ""
    return (
        f"rate: {offered}sent {words.number(rates.sent)}/s, goodput {words.number(rates.goodput)}/s{achieved}; "
        f"failed {words.count(totals.failed)} of {words.count(totals.sent)} ({words.percent(totals.failed_ratio)})"
    )


def _print_truth(found: Reconciliation, console: Console) -> None:
    colour = "green" if found.exact else "red" if found.available else "yellow"
    console.print(f"[{colour}]{truth(found)}[/]", highlight=False)
    if found.exact:
        return
    if found.unexplained is None:
        _print_rows(found, console)
    for one in found.explanations[:LINES_SHOWN]:
        console.print(f"  {escape(one)}", highlight=False)
    if (more := len(found.explanations) - LINES_SHOWN) > 0:
        console.print(f"  and {more} lines more: see the report", highlight=False)


def _print_rows(found: Reconciliation, console: Console) -> None:
    """Print the rows that are off; with log records each has its sentence among the explanations."""
    off = [row for row in found.rows if row.difference]
    for row in off[:ROWS_SHOWN]:
        status = "no answer" if row.status == "0" else row.status
        console.print(
            f"  {escape(row.method)} {escape(row.route)} {escape(status)}: sent {words.count(row.sent)}, "
            f"counted {words.count(row.counted)} ({words.change(row.difference)})",
            highlight=False,
        )
    if len(off) > ROWS_SHOWN:
        console.print(f"  and {len(off) - ROWS_SHOWN} rows more: see the report", highlight=False)


def _print_jobs(found: JobsLine, console: Console) -> None:
    colour = "green" if found.exact else "red" if found.lost else "yellow"
    console.print(f"[{colour}]{jobs_truth(found)}[/]", highlight=False)
    times = found.response_time or found.service_time
    if times is not None:
        console.print(
            f"  end to end p50 {words.number(times.p50)} ms, p99 {words.number(times.p99)} ms", highlight=False
        )
    if found.refused:
        kinds = ", ".join(f"{'no answer' if s == '0' else s}: {words.count(n)}" for s, n in found.refused.items())
        console.print(f"  refused: {kinds}", highlight=False)
    for one in found.explanations:
        console.print(f"  {escape(one)}", highlight=False)


def print_runs(found: Iterable[Listed]) -> None:
    table = Table(
        Column("id", no_wrap=True),
        "scenario",
        Column("when", no_wrap=True),
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for title in ("duration", "sent/s", "p99 ms"):
        table.add_column(title, justify="right")
    table.add_column("verdict")
    for one in found:
        verdict = one.verdict or "not judged yet"
        table.add_row(
            escape(one.id),
            escape(one.scenario),
            words.moment(one.started)[5:16],
            words.duration(one.duration_s),
            words.number(one.sent_per_s),
            words.number(one.p99_ms),
            f"[{COLOUR.get(verdict, 'yellow')}]{verdict}[/]",
        )
    console = Console(highlight=False)
    console.width = max(console.width, WIDTH)  # an id cut short cannot be copied
    console.print(table)


def print_comparison(found: Comparison, console: Console) -> None:
    """Print both runs' numbers, their differences with intervals, and what to be careful about."""
    console.print(f"A {escape(found.a)}\nB {escape(found.b)}", highlight=False)
    for caution in found.cautions:
        console.print(f"[yellow]careful:[/] {escape(caution)}", highlight=False)
    table = Table(found.clock, box=None, pad_edge=False, header_style="bold")
    for title in ("A", "B", "B - A", "95 % interval"):
        table.add_column(title, justify="right")
    for one in found.differences:
        table.add_row(
            f"{one.name} ({one.unit})",
            words.number(one.a),
            words.number(one.b),
            words.signed(one.difference),
            escape(f"[{words.signed(one.low)}, {words.signed(one.high)}]"),
        )
    console.print(table)
    for one in found.differences:
        text = escape(sentence(one))
        console.print(f"[bold]{text}[/]" if one.shown else f"[dim]{text}[/]", highlight=False)
    console.print(f"report: {escape(found.report)}", highlight=False, soft_wrap=True)
