"""The judgement of a run: numbers, verdict, page.

The parts are imported when they are called, so that `lab --help` does not wait for a plotting library.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from labkit.report.summary import Summary

__all__ = ["build", "print_verdict"]


def build(run: Path, prometheus: str | None = None) -> "Summary":
    """Judge the run in a folder, write summary.json and report.html there; see labkit.report.judge."""
    from labkit.report.judge import build as build_report

    return build_report(run, prometheus)


def print_verdict(summary: "Summary", console: "Console") -> None:
    """Print the verdict of a run as tables; see labkit.report.terminal."""
    from labkit.report.terminal import print_verdict as print_tables

    print_tables(summary, console)
