"""`lab alerts`: what was notified and what fires now."""

import json
import sys
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labkit.alerts.history import Active


def register(app: typer.Typer) -> None:
    """Add the commands of this subject to the `lab` command."""
    app.command()(alerts)


def alerts(
    since: Annotated[str, typer.Option(metavar="TIME", help="How far back: 30m, 2h, …")] = "1h",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts for a machine.")] = False,
) -> None:
    """List alerts: what was notified, how long after the fault, what fires now.  Example: lab alerts --since 30m

    With --follow and --json each notification is one line.
    """
    import time
    from pathlib import Path

    from labkit.alerts import history, tables
    from labkit.errors import CannotRun
    from labkit.home import find_home
    from labkit.loadgen.commands import seconds
    from labkit.urls import discover

    length = seconds(since, "--since")
    home = find_home()
    urls = discover(home=home)
    if urls.alerts is None or urls.prometheus is None:
        raise CannotRun(
            "no receiver of notifications is known here; next: lab up "
            "(another deployment: set LAB_ALERTS_FILE and LAB_PROMETHEUS_URL)"
        )
    folder = Path(urls.alerts).parent
    found = history.told(home, folder, time.time() - length)
    if follow:
        show = tables.notification_printer(as_json)
        with suppress(KeyboardInterrupt):
            for one in found:
                show(one)
            for new in history.follow(folder):
                for one in history.with_faults(home, [new]):
                    show(one)
        return
    now, problem = _now(urls.prometheus)
    if as_json:
        facts = {
            "notifications": [one.to_dict() for one in found],
            "now": None if now is None else [asdict(one) for one in now],
            "problem": problem,
        }
        print(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    tables.print_alerts(found, now, since)
    if problem:
        print(problem, file=sys.stderr)


def _now(prometheus: str) -> "tuple[list[Active] | None, str]":
    """Return what fires now, or None and why that is not known: a Prometheus that is away is a thing to show."""
    import httpx

    from labkit.alerts.history import active

    try:
        return active(prometheus), ""
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        why = str(error) or type(error).__name__
        return None, f"what fires now is not known: Prometheus at {prometheus} did not answer ({why}); next: lab status"
