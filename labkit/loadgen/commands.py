"""The command that puts load on a service: load."""

import json
import os
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from labkit.errors import CannotRun

if TYPE_CHECKING:
    from labkit.home import Home
    from labkit.loadgen.place import Place
    from labkit.urls import Urls

LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))


def register(app: typer.Typer) -> None:
    """Add the commands of this subject to the `lab` command."""
    app.command()(load)


def load(
    scenario: Annotated[str | None, typer.Argument(help="A scenario of loadtests/scenarios, or a .toml file.")] = None,
    url: Annotated[
        str | None, typer.Option(help="The service. Default: the stack that is up. Needed for another host.")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Peak rate in requests/s; the scenario's form stays.")] = None,
    users: Annotated[int | None, typer.Option(help="Requests under way at most (closed: users).")] = None,
    duration: Annotated[str | None, typer.Option(help="Such as 30s, 2m or 1h.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed sends the same requests.")] = None,
    processes: Annotated[int | None, typer.Option(help="Generator processes that share the load.")] = None,
    engine: Annotated[
        str | None, typer.Option(metavar="NAME", help="k8s: the generator is pods beside the service in the cluster.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the scenarios.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts for a machine.")] = False,
) -> None:
    """Run a scenario against the service and judge the run.  Example: lab load demo --rate 200 --duration 30s

    Exit code: 0 good, 1 an objective was missed or the run is not valid, 2 it could not run.
    """
    from labkit.home import find_home

    home = find_home()
    if listed:
        list_scenarios(as_json)
        return
    if scenario is None:
        raise CannotRun("no scenario given; next: lab load smoke (lab load --list shows all)")

    from rich.console import Console

    from labkit.engines.present import refresh
    from labkit.loadgen.driver import Interrupted, drive
    from labkit.report import build, print_verdict
    from labkit.stack.progress import Progress
    from labkit.urls import discover

    if engine is None:
        place = None
        refresh(home, os.environ, Progress())
        urls = discover({**os.environ, "LAB_SERVICE_URL": url} if url else os.environ, home)
        check_target(urls.service, explicit=url is not None)
    else:
        place, urls = generator_in(engine, url, home)
    try:
        run = drive(
            scenario,
            urls,
            home=home,
            users=users,
            rate=rate,
            duration=None if duration is None else seconds(duration),
            seed=seed,
            processes=processes,
            place=place,
        )
    except Interrupted as end:
        typer.echo(
            f"load: interrupted; what was measured is in {end.folder}; next: lab report {end.folder.name}", err=True
        )
        raise typer.Exit(130) from None
    summary = build(run)
    if as_json:
        print(json.dumps(summary.to_dict(), indent=2, ensure_ascii=False))
    else:
        print_verdict(summary, Console())
    raise typer.Exit(1 if summary.bad else 0)


def generator_in(engine: str, url: str | None, home: "Home") -> "tuple[Place, Urls]":
    """Return the generator inside a deployment, and the deployment's addresses. Raises CannotRun."""
    from labkit.engines.engine import engine_of
    from labkit.engines.kubectl import kubectl_of
    from labkit.loadgen.in_cluster import InCluster

    if engine != "k8s":
        raise CannotRun(f"--engine {engine}: only k8s has the generator inside; next: lab load without --engine")
    if url is not None:
        raise CannotRun(f"--url {url} with --engine k8s, which loads its own deployment; give one of the two")
    urls = engine_of(engine, home, os.environ, lambda text: typer.echo(text, err=True)).urls()
    return InCluster(home, kubectl_of(os.environ), urls.api_key_file), urls


def list_scenarios(as_json: bool) -> None:
    from labkit.home import find_home
    from labkit.loadgen.scenario import read_scenario, scenario_files, to_dict

    found = [read_scenario(path) for path in scenario_files(find_home().root)]
    if as_json:
        print(json.dumps([to_dict(scenario) for scenario in found], indent=2, ensure_ascii=False))
        return
    for scenario in found:
        print(f"{scenario.name:16} {scenario.duration:5g} s  {scenario.description}")


def check_target(service: str, *, explicit: bool) -> None:
    """Raise CannotRun for another machine that was not named on the command line: load is not sent by accident."""
    host = urlsplit(service).hostname or ""
    if not explicit and host not in LOOPBACK:
        raise CannotRun(f"the service is on another machine ({service}); if you may load it: --url {service}")


def seconds(text: str, option: str = "--duration") -> float:
    """Return a length of time such as 45, 30s, 2m or 1h in seconds. Raises CannotRun."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1.0)
    try:
        value = float(number) * unit
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise CannotRun(f"{option} {text}: write a length of time such as 30s, 2m or 1h")
    return value
