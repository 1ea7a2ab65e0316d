"""Findings on the terminal: a line for each as soon as it is there, and the sum."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from labkit.check.finding import Finding
from labkit.check.running import all_passed

WORDS = {"passed": "[green]passed[/] ", "failed": "[bold red]FAILED[/] ", "skipped": "[yellow]skipped[/]"}


def print_finding(finding: Finding, console: Console, width: int) -> None:
    """Print one finding; `width` is that of the longest name."""
    line = f"{WORDS[finding.verdict]}  {finding.name:<{width}}  {escape(finding.seen)}  [dim]{finding.seconds:.1f} s[/]"
    console.print(line, highlight=False, soft_wrap=True)
    for word, text in (("expected", finding.expected), ("next", finding.next)):
        if text:
            console.print(f"{'':<{width + 11}}{word}: {escape(text)}", highlight=False, soft_wrap=True)


def print_sum(findings: Sequence[Finding], console: Console) -> None:
    """Print how many there are of each verdict, and the verdict on all."""
    counts = Counter[str](finding.verdict for finding in findings)
    told = ", ".join(f"{counts[word]} {word}" for word in WORDS if counts[word])
    good = "[bold green]PASSED[/]" if all_passed(findings) else "[bold red]FAILED[/]"
    console.print(f"{told}: {good}", highlight=False)
