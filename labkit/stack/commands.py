"""The commands around the stack: up, down, status, logs, doctor, urls."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from labkit.engines.option import EngineName
from labkit.stack.profiles import described

Json = Annotated[bool, typer.Option("--json", help="Print facts for a machine.")]
Profiles = Annotated[
    list[str] | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="What there is beside the service: " + described() + ". Containers: those of docker-compose.yml.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this subject to the `lab` command."""
    for command in (up, down, status, logs, doctor, urls):
        app.command()(command)


def up(profile: Profiles = None, engine: EngineName = None, as_json: Json = False) -> None:
    """Start the stack, wait until all of it is ready and leave it running.  Example: lab up --profile core

    LAB_PORT_BASE moves all ports (default 18000); EDGE=none leaves out Traefik. Up already: says so, exit code 0.
    The first time fetches Kafka (44 MB); later starts need no network. --engine: containers, not processes.
    """
    from labkit.engines.deployment import starter
    from labkit.home import find_home
    from labkit.stack.progress import Progress
    from labkit.urls import discover

    home, say = find_home(), Progress()
    begun = starter(engine, home)(home, os.environ, say, profile or ())
    if begun:
        say("all is ready")
    found = discover(environ={}, home=home)
    if as_json:
        _print_json(found.to_dict())
        return
    print("the stack is up" if begun else "the stack is already up")
    _print_urls(found.to_dict())
    print("next: lab load smoke, lab status, lab logs NAME, lab down")


def down(engine: EngineName = None) -> None:
    """Stop the stack, in reverse order of its start. What it has stored stays.  Example: lab down"""
    from labkit.course.processes import stop_processes
    from labkit.engines.deployment import stopper
    from labkit.home import find_home
    from labkit.stack.progress import Progress

    home, say = find_home(), Progress()
    stop_processes(home, say)
    if stopper(engine, home)(home, say):
        print(f"the stack is down ({say.seconds:.1f} s)")
    else:
        print("the stack was not up")


def status(engine: EngineName = None, as_json: Json = False) -> None:
    """Show each process of the stack: state, port, memory, CPU, restarts.  Example: lab status --json

    Exit code 0 when every component is ready, 1 when the stack is down or something in it is not ready.
    """
    from labkit.engines.deployment import looker
    from labkit.home import find_home

    home = find_home()
    seen = looker(engine, home)(home)
    if as_json:
        _print_json(seen.to_dict())
    else:
        from labkit.stack.tables import print_status

        print_status(seen)
    raise typer.Exit(0 if seen.up else 1)


def logs(
    name: Annotated[str, typer.Argument(help="A component as `lab status` names it, or supervisor.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 50,
) -> None:
    """Print the last lines that a component wrote.  Example: lab logs api-1 -f"""
    from labkit.errors import CannotRun
    from labkit.home import find_home
    from labkit.stack.logs import last_lines, log_path
    from labkit.urls import running

    home = find_home()
    folder, up = home.logs, running(home)
    if up is not None and up.engine not in ("process", "external"):
        command = "kubectl logs" if up.engine == "k8s" else "docker logs"
        raise CannotRun(f"containers keep their own logs; next: {command} NAME, or lab search")
    log = log_path(folder, name)
    if not log.is_file():
        there = ", ".join(sorted(path.stem for path in folder.glob("*.log"))) or "none yet; next: lab up"
        raise CannotRun(f"no log of {name!r}; there are: {there}")
    for line in last_lines(log, lines):
        print(line)
    if follow:
        for text in _growth(log):
            print(text, end="", flush=True)


def doctor(profile: Profiles = None, as_json: Json = False) -> None:
    """Say what is there, where it is from and what `lab up` would do; changes nothing.  Example: lab doctor

    Exit code 0 when `lab up` can work here, 1 when a line at the end says what is in its way.
    """
    from labkit.home import find_home
    from labkit.stack.doctor import examine

    diagnosis = examine(find_home(), os.environ, profile or ())
    if as_json:
        _print_json(diagnosis.to_dict())
    else:
        from labkit.stack.tables import print_diagnosis

        print_diagnosis(diagnosis)
    raise typer.Exit(0 if diagnosis.good else 1)


def urls(as_json: Json = False) -> None:
    """Print the addresses of the running stack; LAB_* variables override each.  Example: lab urls --json"""
    from labkit.engines.present import refresh
    from labkit.home import find_home
    from labkit.stack.progress import Progress
    from labkit.urls import discover

    refresh(find_home(), os.environ, Progress())
    facts = discover().to_dict()
    if as_json:
        _print_json(facts)
    else:
        _print_urls(facts)


def _print_json(facts: dict[str, Any]) -> None:
    json.dump(facts, sys.stdout, indent=2)
    print()


def _print_urls(facts: dict[str, Any]) -> None:
    from labkit.stack.setup import NO_EDGE

    if facts["edge"] == "none":
        print(NO_EDGE)
    for name, value in facts.items():
        text = " ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else value
        text = " ".join(text) if isinstance(text, (list, tuple)) else text
        if text:
            print(f"  {name:<17} {text}")


def _growth(log: Path) -> Iterator[str]:
    """Yield what is appended to a file, also after it has been cut or replaced by a new one."""
    import time

    with log.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
    while True:
        try:
            size = log.stat().st_size
            position = position if size >= position else 0
            if size > position:
                with log.open("rb") as file:
                    file.seek(position)
                    data = file.read(2**20)
                position += len(data)
                yield data.decode("utf-8", "replace")
                continue
        except FileNotFoundError:
            position = 0
        time.sleep(0.2)
