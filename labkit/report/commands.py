"""The commands around finished runs: runs, report, compare."""

import json
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print facts for a machine.")]
RUN_HELP = "An id, a unique beginning of one, `last`, or a run's folder."


def register(app: typer.Typer) -> None:
    """Add the commands of this subject to the `lab` command."""
    for command in (runs, report, compare):
        app.command()(command)


def runs(as_json: Json = False) -> None:
    """List the runs, newest first.  Example: lab runs"""
    from labkit.home import find_home
    from labkit.report.history import listed, run_folders

    home = find_home()
    found = [listed(folder) for folder in run_folders(home.runs)]
    if as_json:
        import msgspec

        _print_json(msgspec.to_builtins(found))
        return
    if not found:
        print(f"no run in {home.runs} yet; next: lab load smoke")
        return
    from labkit.report.terminal import print_runs

    print_runs(found)


def report(
    run: Annotated[str | None, typer.Argument(help=f"{RUN_HELP} Default: the newest.")] = None,
    as_json: Json = False,
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Judge a run again, print the verdict and write its page.  Example: lab report last --open

    Needs no running stack: Prometheus's answers are kept in the run's folder. Exit code 1: breached or invalid.
    """
    from labkit.home import find_home
    from labkit.report import build, print_verdict
    from labkit.report.history import find_run

    summary = build(find_run(run, find_home().runs))
    if as_json:
        _print_json(summary.to_dict())
    else:
        from rich.console import Console

        print_verdict(summary, Console())
    if show:
        webbrowser.open((Path(summary.folder) / summary.report).as_uri())
    raise typer.Exit(1 if summary.bad else 0)


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=f"The first run. {RUN_HELP}")],
    b: Annotated[str, typer.Argument(metavar="B", help="The second run.")],
    as_json: Json = False,
) -> None:
    """Show what differs between two runs, with 95 % confidence intervals.  Example: lab compare 20260921-14 last"""
    from labkit.home import find_home
    from labkit.report import build
    from labkit.report.compare import compare as compare_runs
    from labkit.report.history import find_run

    folder = find_home().runs
    found = compare_runs(*(build(find_run(name, folder)) for name in (a, b)))
    if as_json:
        _print_json(found.to_dict())
        return
    from rich.console import Console

    from labkit.report.terminal import print_comparison

    print_comparison(found, Console())


def _print_json(facts: Any) -> None:
    print(json.dumps(facts, indent=2, ensure_ascii=False))
