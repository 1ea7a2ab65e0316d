"""What the supervisor is told about each process: plain data, written to and read from plan.json."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Component:
    """One process of the stack, ready to be started: nothing in it is left to be filled in.

    `probes` are addresses that must all answer before the component counts as ready (see readiness.py);
    `ports` map a name to a number, the first one is shown; times are seconds.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    probes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    ready_within: float = 30.0
    stop_within: float = 10.0

    @property
    def port(self) -> int | None:
        return next(iter(self.ports.values()), None)


@dataclass(frozen=True)
class Plan:
    """Everything that one supervisor runs, and the facts that it publishes once all of it is ready."""

    components: tuple[Component, ...]
    base: int
    edge: str
    urls: Mapping[str, Any]

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")


def load_plan(path: Path) -> Plan:
    """Read what `Plan.save` wrote."""
    facts = json.loads(path.read_text(encoding="utf-8"))
    parts = []
    for part in facts.pop("components"):
        for name in ("command", "probes", "needs"):
            part[name] = tuple(part[name])
        parts.append(Component(**part))
    return Plan(components=tuple(parts), **facts)


def start_order(components: Iterable[Component]) -> list[list[Component]]:
    """Group components into levels: each needs only earlier levels, so that one level can start at once.

    Raises ValueError for a name that is unknown, used twice or part of a circle.
    """
    left = list(components)
    names = [component.name for component in left]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"component {twice[0]} is in the catalogue twice")
    for component in left:
        if unknown := set(component.needs) - set(names):
            raise ValueError(f"component {component.name} needs {min(unknown)}, which is not in the catalogue")
    levels: list[list[Component]] = []
    placed: set[str] = set()
    while left:
        level = [component for component in left if placed.issuperset(component.needs)]
        if not level:
            raise ValueError("components need each other in a circle: " + ", ".join(c.name for c in left))
        levels.append(level)
        placed.update(component.name for component in level)
        left = [component for component in left if component.name not in placed]
    return levels
