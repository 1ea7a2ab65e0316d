"""`lab serve NN`: what a student's Procfile lists, in the background."""

import json
import os
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this subject to the `lab` command."""
    app.command()(serve)


def serve(
    lab: Annotated[str, typer.Argument(metavar="LAB", help="Its number.")],
    only: Annotated[str | None, typer.Option(metavar="NAME", help="Only this process of the Procfile.")] = None,
    kill: Annotated[str | None, typer.Option(metavar="NAME", help="Kill this one (kill -9), start nothing.")] = None,
    stop: Annotated[bool, typer.Option("--stop", help="End all of it; `lab down` does so, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts for a machine.")] = False,
) -> None:
    """Start what the Procfile in your work folder lists, in the background.  Example: lab serve 02

    What runs already is started anew, with your last changes. Output goes to the folder `logs` beside the Procfile.
    Each process has traefik and promtool on its PATH, and the addresses of the stack: LAB_SERVICE_URL, LAB_KAFKA …
    """
    from labkit.course.manifest import read_course
    from labkit.course.processes import kill_served, stop_served
    from labkit.course.processes import serve as start
    from labkit.course.workspace import started_folder, work_folder
    from labkit.home import find_home
    from labkit.stack.ports import port_base
    from labkit.stack.progress import Progress
    from labkit.urls import running

    home, say = find_home(), Progress()
    chosen = read_course(home).lab(lab)
    folder = started_folder(chosen, work_folder(home, os.environ))
    if stop:
        print("stopped" if stop_served(chosen, home, None, say) else f"nothing of lab {chosen.number} ran")
        return
    if kill is not None:
        kill_served(chosen, home, kill)
        print(f"{kill}: killed; next: lab serve {chosen.number} --only {kill}")
        return
    started = start(chosen, folder, home, running(home), port_base(os.environ), only, say)
    if as_json:
        print(
            json.dumps([{"name": one.name, "pid": one.process.pid, "log": str(one.log)} for one in started], indent=2)
        )
    else:
        print(f"{', '.join(one.name for one in started)}: running; output in {folder / 'logs'}")
