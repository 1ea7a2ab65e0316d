"""The commands that hold a running system against its promises: check deployment, check table."""

import json
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from labkit.course.check_command import check_lab

if TYPE_CHECKING:
    from labkit.check.deployment.subject import Deployment
    from labkit.home import Home

Json = Annotated[bool, typer.Option("--json", help="Print facts for a machine.")]


class Checks(TyperGroup):
    """Its commands, and every number of a lab: `lab check 05` is `lab check lab 05`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        return super().resolve_command(ctx, ["lab", *args] if args and args[0][:1].isdigit() else args)


check = typer.Typer(
    cls=Checks,
    no_args_is_help=True,
    help="Hold what runs, or your work on a lab, against its promises.  Example: lab check 05",
)


def register(app: typer.Typer) -> None:
    """Add the commands of this subject to the `lab` command."""
    for command in (deployment, table):
        check.command()(command)
    check.command("lab")(check_lab)
    app.add_typer(check, name="check")


def deployment(
    engine: Annotated[
        str | None, typer.Option(help="process, compose, swarm or k8s. Default: what `lab urls` says.")
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            help="Any deployment by its address; LAB_PROMETHEUS_URL, LAB_LOGS_URL and LAB_API_KEY say more of it."
        ),
    ] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this check; may be repeated.")] = None,
    release: Annotated[str, typer.Option(help="The other release, for update and rollback.")] = "2",
    as_json: Json = False,
) -> None:
    """Check what every deployment promises; leaves it as it was.  Example: lab check deployment --engine compose

    Routes, headers, exact counting, balance, a job, a log line; then, under light load, a killed replica, an update,
    a rollback, a canary, scaling. Takes two to four minutes; nobody else should send requests meanwhile.
    Exit code: 0 all passed, 1 something failed, 2 it could not run.
    """
    from rich.console import Console

    from labkit.check.deployment.checks import CHECKS
    from labkit.check.printing import print_finding, print_sum
    from labkit.check.results import keep
    from labkit.check.running import all_passed, chosen, run_checks
    from labkit.errors import CannotRun
    from labkit.home import find_home

    if engine and url:
        raise CannotRun("--engine or --url, not both; next: lab check deployment --help")
    home = find_home()
    checks = chosen(CHECKS, only or ())
    out = Console(stderr=as_json)
    width = max(len(one.name) for one in CHECKS)
    subject = _subject(home, engine, url, release)
    try:
        subject.wait_ready()  # nobody there: said once, not twelve times
        findings = run_checks(checks, subject, lambda finding: print_finding(finding, out, width))
        if subject.engine is not None:
            keep(home, subject.engine.name, findings)
    finally:
        try:
            subject.restore()
        finally:
            subject.close()
    good = all_passed(findings)
    if as_json:
        facts = [finding.to_dict() for finding in findings]
        name = subject.engine.name if subject.engine is not None else None
        print(
            json.dumps({"engine": name, "service": subject.urls.service, "passed": good, "findings": facts}, indent=2)
        )
    else:
        print_sum(findings, out)
    raise typer.Exit(0 if good else 1)


def table(
    engines: Annotated[str | None, typer.Option(metavar="NAMES", help="Comma-separated. Default: all.")] = None,
    as_json: Json = False,
) -> None:
    """Show engine × check as last found by `lab check deployment`.  Example: lab check table --engines compose,swarm

    Exit code: 0 every cell passed, 1 one is empty, failed or was skipped.
    """
    from rich.console import Console

    from labkit.check.deployment.checks import CHECKS
    from labkit.check.results import kept
    from labkit.check.table import gaps, print_table, to_dict
    from labkit.engines.engine import ENGINES
    from labkit.errors import CannotRun
    from labkit.home import find_home

    wanted = engines.split(",") if engines else list(ENGINES)
    unknown = sorted(set(wanted) - set(ENGINES))
    if unknown:
        raise CannotRun(f"no engine {', '.join(unknown)}; there are: {', '.join(ENGINES)}")
    home = find_home()
    names = [one.name for one in CHECKS]
    results = {engine: kept(home, engine) for engine in wanted}
    if as_json:
        print(json.dumps(to_dict(results, names), indent=2, ensure_ascii=False))
    else:
        print_table(results, names, Console())
    raise typer.Exit(1 if gaps(results, names) else 0)


def _subject(home: "Home", engine: str | None, url: str | None, release: str) -> "Deployment":
    """Return what is checked: an engine's deployment, or one that is only an address."""
    from labkit.check.deployment.subject import Deployment
    from labkit.engines.engine import ENGINES, engine_of
    from labkit.stack.progress import Progress
    from labkit.urls import discover

    say = Progress()
    if url is None:
        name = engine or discover(home=home).engine
        if engine or name in ENGINES:
            opened = engine_of(name, home, os.environ, say)
            urls = opened.urls()
            return Deployment(urls, opened, urls.api_key(), say, release)
    urls = discover({**os.environ, **({"LAB_SERVICE_URL": url} if url else {})}, home)
    return Deployment(urls, None, urls.api_key(), say, release)
