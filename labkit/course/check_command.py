"""`lab check NN`: the checks of a lab, beside `lab check deployment`."""

import json
import os
import sys
from typing import Annotated

import typer


def check_lab(
    lab: Annotated[str, typer.Argument(metavar="LAB", help="Its number: 00, 5, or the name of its folder.")],
    only: Annotated[str, typer.Option(metavar="WORDS", help="Only checks with these words; keeps no result.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print facts for a machine.")] = False,
) -> None:
    """Say whether your work on a lab holds on the running system.  Example: lab check 05

    Each check says what it saw; a red one what was expected, too, and what to look at next.
    Exit code: 0 all passed, 1 something is red, 2 it could not run.
    """
    from rich.console import Console

    from labkit.check.printing import print_finding, print_sum
    from labkit.check.running import all_passed
    from labkit.course.checking import check_work, work_on
    from labkit.course.manifest import read_course
    from labkit.course.results import note_findings
    from labkit.course.workspace import work_folder
    from labkit.home import find_home

    home = find_home()
    course = read_course(home)
    chosen = course.lab(lab)
    work = work_on(chosen, home, os.environ)
    # Bound to the stream of now: what a check itself prints is caught while it runs.
    out = Console(file=sys.stderr if as_json else sys.stdout)
    width = max((len(name) for name in chosen.fails), default=0)
    findings = check_work(work, lambda finding: print_finding(finding, out, width), only)
    good = all_passed(findings)
    if not only:
        note_findings(work_folder(home, os.environ), chosen, findings, good)
    if as_json:
        facts = [finding.to_dict() for finding in findings]
        print(json.dumps({"lab": chosen.slug, "passed": good, "findings": facts}, indent=2, ensure_ascii=False))
    else:
        print_sum(findings, out)
        after = course.after(chosen)
        onward = f"lab start {after.number}" if after else "lab progress"
        out.print(f"next: {onward}" if good else f"next: lab hint {chosen.number}", highlight=False)
    raise typer.Exit(0 if good else 1)
