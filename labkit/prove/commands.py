"""The command that proves dashboards and alerts: prove dashboards."""

import json
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labkit.logs.store import LogStore

SCENARIO = "prove"
SETTLE = "62s"
"""The longest average that a panel shows is over a minute."""

prove = typer.Typer(no_args_is_help=True, help="Hold what is shown against what is.  Example: lab prove dashboards")


def register(app: typer.Typer) -> None:
    """Add the commands of this subject to the `lab` command."""
    prove.command("dashboards")(dashboards)
    app.add_typer(prove, name="prove")


@prove.callback()
def _group() -> None:
    """Keep `dashboards` a command of its own, though it is the only one."""


def dashboards(
    run: Annotated[str | None, typer.Option(help="Judge this run of the scenario again, without a new load.")] = None,
    scenario: Annotated[str, typer.Option(help="A scenario with the steps low, high, low.")] = SCENARIO,
    rate: Annotated[float | None, typer.Option(help="Rate of the high step in requests/s.")] = None,
    duration: Annotated[str | None, typer.Option(help="Of all three steps together.")] = None,
    settle: Annotated[str, typer.Option(help="Time after a step that is not judged: averages follow it.")] = SETTLE,
    folder: Annotated[Path | None, typer.Option(help="Dashboards. Default: grafana/dashboards.")] = None,
    exceptions: Annotated[Path | None, typer.Option(help="Default: grafana/exceptions.toml.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts for a machine.")] = False,
) -> None:
    """Put load on the stack, judge every panel and alert by it.  Example: lab prove dashboards

    Each must return data, move when the load moves and stay still when it should. Takes about five minutes.
    Exit code: 0 all proved, 1 not, 2 it could not run. The verdicts are also in the run's folder, in prove.json.
    """
    from rich.console import Console

    from labkit.dashboards.serving import place
    from labkit.home import find_home
    from labkit.loadgen.commands import check_target, seconds
    from labkit.loadgen.ledger import write_json
    from labkit.prove.exceptions import read_exceptions
    from labkit.prove.phases import phases_of
    from labkit.prove.proof import prove as judge
    from labkit.prove.standard_load import disturbances, facts_of, put_load
    from labkit.prove.tables import print_result
    from labkit.urls import discover

    home = find_home()
    kept = read_exceptions(exceptions or home.root / "grafana" / "exceptions.toml")
    found = place(home)
    told = Console(stderr=True)
    wait = seconds(settle, "--settle")
    if run is None:
        urls = discover(home=home)
        check_target(urls.service, explicit=False)
        length = None if duration is None else seconds(duration)
        path = put_load(home, urls, scenario, rate, length, wait, lambda line: told.print(f"prove: {line}"))
    else:
        path = home.runs / run
    facts = facts_of(path)
    with _store(found.logs) as store, told.status("prove: asking") as status:
        result = judge(
            path.name,
            phases_of(facts, wait),
            folder or found.folder,
            kept,
            found.prometheus,
            store,
            found.scrape,
            disturbances(path),
            lambda line: status.update(f"prove: {line}"),
        )
    write_json(path / "prove.json", result.to_dict())
    if as_json:
        print(json.dumps(result.to_dict(), indent=2, ensure_ascii=False))
    else:
        print_result(result, Console())
    raise typer.Exit(0 if result.proved else 1)


def _store(address: str | None) -> "AbstractContextManager[LogStore | None]":
    from labkit.logs.opening import open_store

    return open_store(address) if address else nullcontext()
