"""The verdicts on the terminal: a line for each panel and alert."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from labkit.prove.proof import Judged, Result

MARKS = {True: "[green]yes[/]", False: "[red]no[/]", None: "-"}


def print_result(result: Result, console: Console) -> None:
    """Print all verdicts, what stands against the proof, and the sum."""
    table = Table("of", "panel or alert", "kind", "data", "moves", "still", box=None, header_style="bold")
    table.add_column("not proved because", style="red")
    for one in result.judged:
        table.add_row(
            one.of, escape(one.title), _kinds(one), *(_mark(one, name) for name in ("data", "moves", "still")),
            escape(one.why),
        )  # fmt: skip
    console.print(table)
    for problem in result.problems:
        console.print(f"[red]not proved:[/] {escape(problem)}", highlight=False)
    for note in result.notes:
        console.print(f"[yellow]disturbed:[/] {escape(note)}", highlight=False)
    failed = [one for one in result.judged if not one.proved]
    total = len(result.judged)
    console.print(
        f"{total - len(failed)} of {total} proved, {result.exceptions} of them exceptions: "
        f"[bold]{'[green]PROVED' if result.proved else '[red]NOT PROVED'}[/][/]",
        highlight=False,
    )


def _kinds(one: Judged) -> str:
    return ", ".join(dict.fromkeys(finding.kind for finding in one.findings))


def _mark(one: Judged, name: str) -> str:
    """No when one question fails, yes when one holds and none fails."""
    found = {getattr(finding.proof, name) for finding in one.findings}
    return MARKS[False if False in found else True if True in found else None]
