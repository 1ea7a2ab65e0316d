"""Engines side by side: what each check found last on each of them."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from labkit.check.finding import Finding

Results = Mapping[str, Mapping[str, Finding]]
"""By engine, then by check."""
COLOURS = {"passed": "green", "failed": "bold red", "skipped": "yellow"}


def gaps(results: Results, checks: Sequence[str]) -> list[str]:
    """Return every cell that is empty or not passed, as engine/check: why. None: the table holds."""
    found = []
    for engine, findings in results.items():
        for name in checks:
            finding = findings.get(name)
            if finding is None:
                found.append(f"{engine}/{name}: not checked yet")
            elif finding.verdict != "passed":
                found.append(f"{engine}/{name}: {finding.verdict}")
    return found


def to_dict(results: Results, checks: Sequence[str]) -> dict[str, Any]:
    """Return the table for a machine; a cell without a check is None."""
    found = gaps(results, checks)
    cells = {
        engine: {name: findings[name].to_dict() if name in findings else None for name in checks}
        for engine, findings in results.items()
    }
    return {"passed": not found, "gaps": found, "engines": cells}


def print_table(results: Results, checks: Sequence[str], console: Console) -> None:
    """Print verdict, time and key figure of each cell, then what is missing."""
    table = Table("check", *results, header_style="bold", show_lines=True)
    for name in checks:
        table.add_row(name, *(_cell(findings.get(name)) for findings in results.values()))
    console.print(table)
    for engine, findings in results.items():
        wanting = [name for name in checks if name not in findings or findings[name].verdict != "passed"]
        if wanting:
            told = f"{', '.join(wanting)}; next: lab check deployment --engine {engine}"
            console.print(f"[red]open on {engine}:[/] {told}", highlight=False, soft_wrap=True)


def _cell(finding: Finding | None) -> str:
    if finding is None:
        return "[red]empty[/]"
    when = time.strftime("%m-%d %H:%M", time.localtime(finding.at))
    colour = COLOURS[finding.verdict]
    return f"[{colour}]{finding.verdict}[/] [dim]{when}, {finding.seconds:.0f} s[/]\n{escape(finding.seen)}"
