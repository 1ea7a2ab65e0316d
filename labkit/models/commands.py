"""The commands of a model's life: models, retrain, canary, promote, rollback, schedule retrain."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from labkit.models.routes import Route
    from labkit.models.versions import Version

Json = Annotated[bool, typer.Option("--json", help="Print facts for a machine.")]
Model = Annotated[str, typer.Argument(help="A model as `lab models` names it.")]
Wanted = Annotated[str, typer.Argument(metavar="VERSION", help="Such as v2.")]

Within = Annotated[float, typer.Option(help="Wait so many seconds for replicas and workers to follow.")]

schedule = typer.Typer(no_args_is_help=True, help="Do it again and again.  Example: lab schedule retrain sentiment")


def register(app: typer.Typer) -> None:
    """Add the commands of this subject to the `lab` command."""
    for command in (models, retrain, canary, promote, rollback):
        app.command()(command)
    schedule.command("retrain")(schedule_retrain)
    app.add_typer(schedule, name="schedule")


def models(as_json: Json = False) -> None:
    """List versions: held-out figures, share of the requests, where they are from.  Example: lab models"""
    from labkit.home import find_home
    from labkit.models.tables import facts, print_models

    found = facts(find_home())
    if as_json:
        _print_json(found)
        return
    print_models(found)


def retrain(model: Model, as_json: Json = False) -> None:
    """Train on original data and feedback; what is not worse is a new version.  Example: lab retrain sentiment

    Exit code: 0 registered, 1 refused (worse, or no new feedback), 2 it could not run. Nothing is routed to it yet.
    """
    import subprocess

    from labkit.home import find_home
    from labkit.models.retraining import command

    home = find_home()
    run = subprocess.run([*command(home, model), *(["--json"] if as_json else [])], cwd=home.root, check=False)
    raise typer.Exit(run.returncode)


def canary(
    model: Model,
    version: Wanted,
    weight: Annotated[str, typer.Option(help="Share of the requests in percent, 0 to 100.")] = "10",
    within: Within = 30.0,
    as_json: Json = False,
) -> None:
    """Give a version a share of the requests, to try it.  Example: lab canary sentiment v2 --weight 10

    Returns when every replica and worker does so; exit code 1 names those that do not.
    """
    from labkit.models.routes import tried
    from labkit.models.steps import weight_of

    percent = weight_of(weight)
    _step(model, lambda route, _: tried(route, version, percent), within, as_json)


def promote(model: Model, version: Wanted, within: Within = 30.0, as_json: Json = False) -> None:
    """Make a version the one that answers; the one before stays at hand.  Example: lab promote sentiment v2

    Returns when every replica and worker does so; exit code 1 names those that do not.
    """
    from labkit.models.routes import promoted

    _step(model, lambda route, _: promoted(route, version), within, as_json)


def rollback(model: Model, within: Within = 30.0, as_json: Json = False) -> None:
    """Undo the last step: a canary goes, else the version before answers again.  Example: lab rollback sentiment

    Returns when every replica and worker does so; exit code 1 names those that do not.
    """
    from labkit.models.routes import rolled_back

    _step(model, lambda route, _: rolled_back(route), within, as_json)


def schedule_retrain(
    model: Model,
    every: Annotated[str, typer.Option(help="The pause, such as 30s, 10m or 1h.")] = "10m",
    times: Annotated[int | None, typer.Option(min=1, help="End after so many runs. Default: never.")] = None,
    weight: Annotated[
        str | None, typer.Option("--canary", help="Give a new version this share of the requests, in percent.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Retrain now and periodically, a line each.  Example: lab schedule retrain sentiment --every 10m

    In the foreground, until Ctrl-C (exit code 0). To promote a version stays a person's decision.
    """
    import time

    from labkit.home import find_home
    from labkit.loadgen.commands import seconds
    from labkit.models.schedule import line, retraining, run_every
    from labkit.models.steps import weight_of
    from labkit.models.versions import versions_of

    home, pause = find_home(), seconds(every, "--every")
    percent = None if weight is None else weight_of(weight)
    versions_of(home, model)

    def run() -> None:
        found = retraining(home, model, percent)
        moment = time.strftime("%H:%M:%S")
        print(json.dumps({"time": moment, **found}) if as_json else f"{moment}  {line(found)}", flush=True)

    run_every(pause, times, run)


def _step(model: str, change: "Callable[[Route, Mapping[str, Version]], Route]", within: float, as_json: bool) -> None:
    from labkit.home import find_home
    from labkit.models.steps import step

    done = step(find_home(), model, change, within)
    if as_json:
        _print_json(done.to_dict())
    elif done.late:
        who = ", ".join(done.late)
        print(f"{model}: {done.route.words} is asked for, but not served by: {who}; next: lab logs {done.late[0]}")
    elif done.following:
        print(f"{model}: {done.route.words}; served so by all {done.following} replicas and workers")
    else:
        print(f"{model}: {done.route.words}, from the next lab up on")
    raise typer.Exit(1 if done.late else 0)


def _print_json(facts: Any) -> None:
    print(json.dumps(facts, indent=2, ensure_ascii=False))
