"""The course as a table: on the terminal, and in the README."""

import time
from collections.abc import Mapping

from rich.table import Table

from labkit.course.manifest import Course
from labkit.course.results import SOLUTION_SEEN, Result

BEGIN, END = "<!-- labs: made by `make readme` -->", "<!-- end of labs -->"
COLOURS = {"passed": "green", "started": "yellow", "not started": "dim"}


def progress_table(course: Course, results: Mapping[str, Result]) -> Table:
    """Return a row for each lab: its state, checks passed, hints taken."""
    table = Table("lab", "title", "state", "checks", "tries", "hints", "solution seen", "about", header_style="bold")
    for lab in course.labs:
        result = results.get(lab.number, Result())
        when = time.strftime(" %m-%d %H:%M", time.localtime(result.passed)) if result.passed else ""
        good = sum(one["verdict"] == "passed" for one in result.findings)
        table.add_row(
            lab.number,
            lab.title,
            f"[{COLOURS[result.state]}]{result.state}{when}[/]",
            f"{good}/{len(result.findings)}" if result.findings else "",
            str(result.tries or ""),
            str(result.hints or ""),
            SOLUTION_SEEN[result.solved],
            f"{lab.minutes} min",
        )
    return table


def with_table(text: str, course: Course) -> str:
    """Return a document whose table of labs, between its two marks, is that of the manifest.

    Raises ValueError for a document without the marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"no marks {BEGIN} and {END}")
    rows = []
    for lab in course.labs:
        links = f"[{lab.number}](labs/{lab.slug}/README.md), [es](labs/{lab.slug}/README.es.md)"
        rows.append(f"| {links} | {lab.title}: {lab.question} | {lab.minutes} min, {lab.memory} MB |")
    return "\n".join([f"{before}{begin}", "| lab | | takes |", "|---|---|---|", *rows, f"{end}{after}"])
