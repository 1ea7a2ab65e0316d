"""The results of a class as a table, as lines for a spreadsheet, as facts."""

import csv
import time
from io import StringIO
from typing import Any

from rich.markup import escape
from rich.table import Table

from labkit.course.class_results import ClassResults
from labkit.course.export import LabResults
from labkit.course.manifest import Course
from labkit.course.results import SOLUTION_SEEN

CSV_OF_A_LAB = ("passed", "checks", "tries", "hints", "solution seen")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def class_table(found: ClassResults, course: Course) -> Table:
    """Return a row for each student, a column for each lab."""
    table = Table("student", *(lab.number for lab in course.labs), "look at", header_style="bold")
    for entry in found.entries:
        cells = [_cell(entry.results.labs.get(lab.number)) for lab in course.labs]
        kinds = ", ".join(dict.fromkeys(flag.kind for flag in found.flags_of(entry)))
        table.add_row(escape(_plain(entry.student)), *cells, f"[red]{kinds}[/]")
    return table


def class_lines(found: ClassResults, course: Course) -> str:
    """Return CSV: a line for each student."""
    out = StringIO()
    lines = csv.writer(out)
    lines.writerow(["student", "flags", *(f"{lab.number} {what}" for lab in course.labs for what in CSV_OF_A_LAB)])
    for entry in found.entries:
        cells: list[str | int] = []
        for lab in course.labs:
            one = entry.results.labs.get(lab.number)
            cells += (
                [_day(one.passed), _checks(one), one.tries, one.hints, SOLUTION_SEEN.get(one.solved, one.solved)]
                if one
                else [""] * len(CSV_OF_A_LAB)
            )
        flags = "; ".join(flag.says for flag in found.flags_of(entry))
        lines.writerow([_as_text(_plain(str(cell))) for cell in (entry.student, flags, *cells)])
    return out.getvalue()


def class_facts(found: ClassResults) -> dict[str, Any]:
    """Return what --json prints."""
    return {
        "students": [
            {
                "student": entry.student,
                "file": entry.file,
                "exported": entry.results.time,
                "labs": {
                    number: {
                        "passed": one.passed,
                        "checks_passed": sum(finding.verdict == "passed" for finding in one.findings),
                        "checks": len(one.findings),
                        "tries": one.tries,
                        "hints": one.hints,
                        "solution_seen": one.solved,
                    }
                    for number, one in entry.results.labs.items()
                },
            }
            for entry in found.entries
        ],
        "flags": [{"file": flag.file, "kind": flag.kind, "says": flag.says} for flag in found.flags],
    }


def flag_lines(found: ClassResults) -> list[str]:
    return [f"{_plain(flag.file)}: {_plain(flag.says)}" for flag in found.flags]


def _cell(lab: LabResults | None) -> str:
    if lab is None:
        return ""
    said = [f"[green]{_day(lab.passed)}[/]" if lab.passed else f"[yellow]{_checks(lab) or 'started'}[/]"]
    said += [f"{lab.hints} hint{'s' if lab.hints > 1 else ''}"] if lab.hints else []
    said += [f"solution {'after' if lab.solved == 'after' else 'before'}"] if lab.solved else []
    return ", ".join(said)


def _checks(lab: LabResults) -> str:
    good = sum(finding.verdict == "passed" for finding in lab.findings)
    return f"{good} of {len(lab.findings)}" if lab.findings else ""


def _day(moment: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment)) if moment else ""
    except (ValueError, OverflowError, OSError):
        return "?"


def _plain(text: str) -> str:
    """Return a text of somebody else's without what would steer a terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _as_text(cell: str) -> str:
    """Keep a spreadsheet from taking a name for a formula."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell
