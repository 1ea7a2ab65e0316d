"""The commands that ask the store of logs: search and trace."""

import json
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labkit.logs.store import LogRecord, LogStore

AGAIN_S = 0.5
OVERLAP_S = 5.0
"""How late a record may come and still be shown by --follow."""


def register(app: typer.Typer) -> None:
    """Add the commands of this subject to the `lab` command."""
    for command in (search, trace):
        app.command()(command)


def search(
    query: Annotated[str, typer.Argument(help="Such as 'status:>=500 AND model:forest'. Default: everything.")] = "",
    last: Annotated[str | None, typer.Option(metavar="TIME", help="Such as 30s, 5m or 1h. Default: 15m.")] = None,
    since: Annotated[str | None, typer.Option("--from", metavar="WHEN", help="12:30, 2026-11-03T12:30, epoch.")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="WHEN", help="The same. Default: now.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="The newest so many.")] = 50,
    count: Annotated[bool, typer.Option("--count", help="Only say how many there are.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new records until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Search the log records, newest last.  Example: lab search 'status:500 AND model:forest' --last 5m

    field:value, field:"two words", field:begin*, field:*, status:>=500, status:[400 TO 499]; words of the message
    alone; AND, OR, NOT and parentheses. Fields: host level event message request_id method route path status
    duration_us model model_version; job_id client outcome topic partition offset wait_ms logger and any other.
    """
    from labkit.errors import CannotRun
    from labkit.logs.lines import print_records
    from labkit.logs.when import window

    if follow and (count or until):
        raise CannotRun("--follow goes on with what is new; next: leave out --count and --to")
    start, end = window(last, since, until, time.time())
    with _store() as store:
        if count:
            total = store.count(query, start, end)
            print(json.dumps({"count": total}) if as_json else total)
            return
        found = store.search(query, start, end, limit)
        print_records(reversed(found), as_json=as_json)
        if follow:
            with suppress(KeyboardInterrupt):
                _follow(store, query, as_json)
        elif len(found) == limit:
            more = store.count(query, start, end) - len(found)
            if more > 0:
                print(
                    f"{more:,} older ones are not shown; next: --limit, a shorter --last, or --count", file=sys.stderr
                )
        elif not found:
            print(_nothing(query), file=sys.stderr)


def trace(
    ident: Annotated[str, typer.Argument(metavar="ID", help="A request id (X-Request-ID of an answer) or a job id.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print facts for a machine.")] = False,
) -> None:
    """Show one request through Traefik, api, Kafka and worker on one time line.  Example: lab trace 4f0c5e…

    Exit code: 0 found, 1 no record of it (records take up to 2 s to arrive; it waits for them), 2 it cannot ask.
    """
    from labkit.logs.lines import console, print_facts, print_trace
    from labkit.logs.trace import WAIT_S, find_trace

    with _store() as store:
        found = find_trace(store, ident)
    if found is None:
        print(
            f"lab: no record of {ident!r}, although it was waited for {WAIT_S:g} s (they take up to 2 s); next: "
            "lab search --last 1m shows what arrives, lab status whether the collector runs",
            file=sys.stderr,
        )
        raise typer.Exit(1)
    if as_json:
        print_facts(found.to_dict())
    else:
        print_trace(found, console())


def _store() -> "LogStore":
    """Open the store of the stack that is up, or of LAB_LOGS_URL. Raises CannotRun."""
    import os

    from labkit.errors import CannotRun
    from labkit.logs.opening import open_store
    from labkit.urls import discover

    address = os.environ.get("LAB_LOGS_URL") or discover().logs
    if not address:
        raise CannotRun("this stack keeps no logs; next: lab down, then lab up without --profile core")
    return open_store(address.rstrip("/"))


def _nothing(query: str) -> str:
    from labkit.logs.fields import DOCUMENTED
    from labkit.logs.query import parse
    from labkit.logs.tree import fields_of

    odd = sorted(fields_of(parse(query)) - set(DOCUMENTED))
    if odd:
        return f"nothing found; {', '.join(odd)}: no field of the service's own records; lab search --help lists those"
    return "nothing found in that time; next: a longer --last (records take up to 2 s to arrive)"


def _follow(store: "LogStore", query: str, as_json: bool) -> None:
    """Print what is new, twice a second; records may come a little late, and out of order."""
    from labkit.logs.lines import print_records
    from labkit.logs.store import MOST

    def look() -> "dict[str, LogRecord]":
        now = time.time()
        found = store.search(query, now - OVERLAP_S, now + 1.0, MOST)
        return {json.dumps(record.to_dict(), sort_keys=True): record for record in reversed(found)}

    seen = look()
    while True:
        time.sleep(AGAIN_S)
        found = look()
        print_records([found[key] for key in found if key not in seen], as_json=as_json)
        if len(found) >= MOST:
            many = f"more than {MOST:,} records in {OVERLAP_S:g} s"
            print(f"{many}: some are left out; next: a narrower query", file=sys.stderr)
        seen = found
