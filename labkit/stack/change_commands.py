"""The commands that change a running stack: kill, freeze, scale; `lab start NAME` stands beside `lab start 05`."""

import os
import time
from typing import Annotated

import typer

from labkit.engines.option import EngineName

Component = Annotated[str, typer.Argument(metavar="NAME", help="A component as `lab status` names it.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this subject to the `lab` command."""
    for command in (kill, freeze, scale):
        app.command()(command)


def kill(name: Component) -> None:
    """Kill a component (kill -9) and keep it away until `lab start`.  Example: lab kill api-1"""
    kill_component(name, f"lab start {name}")


def freeze(
    name: Component,
    seconds: Annotated[float, typer.Option(help="How long it stands still.")] = 3.0,
    after: Annotated[float, typer.Option(help="Seconds to wait first, for a freeze in the middle of a run.")] = 0.0,
) -> None:
    """Let a component stand still, then go on; it loses nothing.  Example: lab freeze api-1 --seconds 3

    Returns once it goes on (SIGSTOP, then SIGCONT).
    """
    from labkit.home import find_home
    from labkit.stack.freezing import freeze as stand_still

    mark = stand_still(find_home(), name, seconds, after)
    print(f"{name} stood still for {seconds:g} s, from {time.strftime('%H:%M:%S', time.localtime(mark.time))} on")


def scale(
    what: Annotated[str, typer.Argument(metavar="api|worker", help="What there shall be more or less of.")],
    count: Annotated[int, typer.Argument(metavar="N", help="How many: 1 to 8 replicas (api), 0 to 8 workers.")],
    engine: EngineName = None,
) -> None:
    """Run N replicas of the service behind the edge, or N workers.  Example: lab scale api 3

    Returns once all of them are ready and get requests. Those that are too many finish what they have in hand first.
    """
    from labkit.engines.present import present_engine
    from labkit.errors import CannotRun
    from labkit.home import find_home
    from labkit.marks import add_mark
    from labkit.stack.progress import Progress
    from labkit.stack.scale import scale_workers

    home, say = find_home(), Progress()
    begun = time.time()
    if what == "api":
        deployment = present_engine(engine, home, os.environ, say)
        before = deployment.replicas()
        deployment.scale(count)
        changed = before != deployment.replicas()
    elif what == "worker":
        changed = scale_workers(home, count, say)
    else:
        raise CannotRun(f"lab scale takes api or worker, not {what!r}; next: lab scale api 3")
    if not changed:
        print(f"{what}: {count} of them run already")
        return
    add_mark(home, "change", f"{what}: {count}", at=begun)
    print(f"{what}: {count} of them run now ({say.seconds:.1f} s)")
    print("next: lab status, lab load smoke" if what == "api" else "next: lab kafka groups, lab kafka lag --watch")


def kill_component(name: str, start_again: str) -> None:
    """Kill it and say so; `start_again` is the command that ends it."""
    from labkit.home import find_home
    from labkit.marks import add_mark
    from labkit.stack.change import hold
    from labkit.stack.progress import Progress

    home, begun = find_home(), time.time()
    done = hold(home, name, Progress())
    if done:
        add_mark(home, "fault", f"{name} killed", at=begun)
    print(f"{name} is killed and stays away" if done else f"{name} is away already")
    print(f"next: lab status, {start_again}")


def start_component(name: str) -> None:
    """Start it again and say so."""
    from labkit.home import find_home
    from labkit.marks import add_mark
    from labkit.stack.change import release
    from labkit.stack.progress import Progress

    home, say = find_home(), Progress()
    done = release(home, name, say)
    if done:
        add_mark(home, "change", f"{name} ready again")
    print(f"{name} is ready again ({say.seconds:.1f} s)" if done else f"{name} was not killed by lab: nothing to start")
    print("next: lab status")
