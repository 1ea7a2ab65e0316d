"""Notifications and alerts on the terminal."""

import json
import time
from collections.abc import Callable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from labkit.alerts.history import Active, Told
from labkit.alerts.switch import HEARTBEAT

COLOUR = {"page": "red", "ticket": "yellow"}


def print_alerts(found: list[Told], now: list[Active] | None, since: str) -> None:
    """Print what was notified, then what is pending or firing (None: not known)."""
    out = _console()
    if found:
        out.print(_told_table(found))
    else:
        out.print(f"no notification within {since}")
    if now is None:
        return
    others = [one for one in now if one.alert != HEARTBEAT]
    out.print()
    if others:
        out.print(_active_table(others))
    else:
        out.print("nothing fires now")
    if not any(one.alert == HEARTBEAT for one in now):
        out.print(f"[red]{HEARTBEAT} does not fire[/]: Prometheus has no rules; next: lab logs prometheus")


def notification_printer(as_json: bool) -> Callable[[Told], None]:
    """Return what prints one notification as one line."""
    if as_json:
        return lambda one: print(json.dumps(one.to_dict(), ensure_ascii=False), flush=True)
    out = _console()
    return lambda one: out.print("  ".join(_row(one)))


def _told_table(found: list[Told]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("notified", "state", "alert", "severity", "time", "summary"):
        table.add_column(title)
    for one in found:
        table.add_row(*_row(one))
    return table


def _row(one: Told) -> tuple[str, ...]:
    told = one.notification
    colour = "green" if told.state == "resolved" else COLOUR.get(told.severity, "dim")
    if told.state == "resolved":
        took = f"fired for {told.at - told.starts:.0f} s"
    elif one.fault is not None:
        took = f"{one.delay:.0f} s after: {one.fault.text}"
    else:
        took = "no fault marked before it"
    return (
        _clock(told.at),
        f"[{colour}]{told.state}[/]",
        escape(told.alert),
        escape(told.severity),
        escape(took),
        escape(told.summary),
    )


def _active_table(now: list[Active]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("now since", "state", "alert", "severity", "summary"):
        table.add_column(title)
    for one in sorted(now, key=lambda alert: alert.since):
        colour = COLOUR.get(one.severity, "dim") if one.state == "firing" else "dim"
        row = (escape(text) for text in (one.alert, one.severity, one.summary))
        table.add_row(_clock(one.since), f"[{colour}]{one.state}[/]", *row)
    return table


def _clock(epoch: float) -> str:
    """Return the local time of day, with the date when that is another day."""
    same_day = time.localtime(epoch)[:3] == time.localtime()[:3]
    return time.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M:%S", time.localtime(epoch))


def _console() -> Console:
    """Return a console that wraps nothing where nobody sees it: a file or a pipe gets whole lines."""
    console = Console(highlight=False, soft_wrap=True)
    return console if console.is_terminal else Console(highlight=False, soft_wrap=True, width=200)
