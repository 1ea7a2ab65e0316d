"""The whole story in one command: start the stack, load it, judge the run, stop what was started."""

import os
from typing import Annotated

import typer

from labkit.stack.commands import Profiles


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    scenario: Annotated[str, typer.Argument(help="A scenario of loadtests/scenarios, or a file.")] = "demo",
    profile: Profiles = None,
) -> None:
    """Start the stack, load it for a minute, print the verdict, write the report, stop.  Example: lab demo

    A stack that is already up is used and left up. Exit code: that of the verdict, 0 good and 1 bad.
    """
    from rich.console import Console

    from labkit.home import find_home
    from labkit.loadgen import drive
    from labkit.report import build, print_verdict
    from labkit.stack.control import start, stop
    from labkit.stack.progress import Progress
    from labkit.stack.setup import NO_EDGE
    from labkit.urls import discover

    home, say = find_home(), Progress()
    say("demo 1/4: starting the stack")
    begun = start(home, os.environ, say, profile or ())
    if not begun:
        say("the stack was already up: it is used as it is, and left up")
    try:
        urls = discover(environ={}, home=home)
        say(f"demo 2/4: driving the scenario {scenario} against {urls.service}")
        if urls.edge == "none":
            say(NO_EDGE)
        run = drive(scenario, urls, home=home)
        say("demo 3/4: judging the run and writing the report")
        summary = build(run)
        print_verdict(summary, Console())
    finally:
        if begun:
            say("demo 4/4: stopping the stack")
            stop(home, say)
    say("demo: done" if begun else "demo: done; the stack is still up, next: lab down")
    raise typer.Exit(1 if summary.bad else 0)
