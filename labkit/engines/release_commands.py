"""The commands `lab release …`: which release the replicas are of, and who else answers."""

import json
import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from labkit.engines.option import EngineName

if TYPE_CHECKING:
    from labkit.engines.engine import Engine
    from labkit.stack.progress import Progress

group = typer.Typer(
    no_args_is_help=True,
    help="Replace the replicas by another release, go back, try a canary.  Example: lab release update 2",
)


def register(app: typer.Typer) -> None:
    """Add the commands of this subject to the `lab` command."""
    app.add_typer(group, name="release")


@group.command()
def update(
    release: Annotated[str, typer.Argument(metavar="RELEASE", help="As the image's tag: letters, digits, .-_")],
    engine: EngineName = None,
) -> None:
    """Replace every replica by one of that release, one after the other.  Example: lab release update 2

    No request is lost; `lab release rollback` goes back.
    """
    begun = time.time()
    deployment, say = _opened(engine)
    deployment.update(release)
    _mark(f"release {release}", begun)
    print(f"{len(deployment.replicas())} replicas are of release {release} ({say.seconds:.1f} s)")
    print("next: lab release show, lab release rollback")


@group.command()
def rollback(engine: EngineName = None) -> None:
    """Go back to the release before the last update.  Example: lab release rollback"""
    begun = time.time()
    deployment, say = _opened(engine)
    deployment.rollback()
    releases = ", ".join(sorted({replica.release for replica in deployment.replicas()}))
    _mark(f"back to release {releases}", begun)
    print(f"{len(deployment.replicas())} replicas are of release {releases} again ({say.seconds:.1f} s)")
    print("next: lab release show")


@group.command()
def canary(
    weight: Annotated[int, typer.Argument(metavar="WEIGHT", help="Percent of the requests, 0 to 100; 0 ends it.")],
    engine: EngineName = None,
) -> None:
    """Send WEIGHT percent of the requests to a canary, which answers `forest` with v2.  Example: lab release canary 10

    Clients see the version in X-Model-Version; Prometheus has predictions_total{model,version}.
    """
    begun = time.time()
    deployment, say = _opened(engine)
    deployment.canary(weight)
    _mark(f"canary: {weight} %", begun)
    print(f"the canary gets {weight} % of the requests ({say.seconds:.1f} s)" if weight else "the canary is gone")
    print("next: lab release canary 0" if weight else "next: lab release show")


@group.command()
def show(
    engine: EngineName = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts for a machine.")] = False,
) -> None:
    """Show each replica with its release.  Example: lab release show --json"""
    from dataclasses import asdict

    deployment, _ = _opened(engine)
    replicas = deployment.replicas()
    if as_json:
        print(json.dumps({"engine": deployment.name, "replicas": [asdict(replica) for replica in replicas]}, indent=2))
        return
    for replica in replicas:
        print(f"{replica.name:<12} {replica.release:<16} {'ready' if replica.ready else 'not ready'}")


def _opened(name: str | None) -> "tuple[Engine, Progress]":
    """Return the engine that is meant, and what it says its progress with."""
    from labkit.engines.present import present_engine
    from labkit.home import find_home
    from labkit.stack.progress import Progress

    say = Progress()
    return present_engine(name, find_home(), os.environ, say), say


def _mark(text: str, begun: float) -> None:
    from labkit.home import find_home
    from labkit.marks import add_mark

    add_mark(find_home(), "change", text, at=begun)
