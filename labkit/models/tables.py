"""The table of `lab models`."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from labkit.home import Home
from labkit.models.reports import Traffic, reports
from labkit.models.steps import current_route
from labkit.models.versions import versions, versions_of


def facts(home: Home) -> list[dict[str, Any]]:
    """Return a line for each version; `traffic` is what each running service says, by its name."""
    seen = reports(home)
    routes = {model: current_route(home, model, versions_of(home, model)) for model in _models(home)}
    return [
        {
            "model": one.model,
            "version": one.version,
            "held_out": dict(one.held_out),
            "figure": one.figure,
            "origin": one.origin,
            "role": next(
                (role for role in ("stable", "canary", "previous") if getattr(routes[one.model], role) == one.version),
                None,
            ),
            "traffic": {name: _share(traffic, one.model, one.version) for name, traffic in seen.items()},
        }
        for one in versions(home)
    ]


def print_models(found: list[dict[str, Any]], console: Console | None = None) -> None:
    console = console or Console(highlight=False)
    table = Table("model", "version", "held out", "traffic", "role", "from", box=None, pad_edge=False)
    for one in found:
        table.add_row(
            *(one["model"], one["version"], one["figure"], escape(shown(one["traffic"]))),
            *(one["role"] or "", one["origin"]),
        )
    console.print(table)
    if not any(one["traffic"] for one in found):
        console.print("the stack is down; next: lab up")


def shown(traffic: dict[str, float | None]) -> str:
    """Return the share that all services agree on, else that of each."""
    if not traffic:
        return "-"
    if len(set(traffic.values())) == 1:
        return _percent(next(iter(traffic.values())))
    return ", ".join(f"{name} {_percent(share)}" for name, share in traffic.items())


def _percent(share: float | None) -> str:
    return "not loaded" if share is None else f"{round(share * 100, 6):g} %"


def _share(traffic: Traffic | None, model: str, version: str) -> float | None:
    return (traffic or {}).get(model, {}).get(version)


def _models(home: Home) -> list[str]:
    return list(dict.fromkeys(one.model for one in versions(home)))
