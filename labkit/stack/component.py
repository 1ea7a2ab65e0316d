"""What the supervisor is told about each process: plain data, written to and read from plan.json."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from labkit.stack.record import write_whole


@dataclass(frozen=True)
class Component:
    """One process of the stack, ready to be started: nothing in it is left to be filled in.

    `probes` are addresses that must all answer before the component counts as ready (see readiness.py);
    `ports` map a name to a number, the first one is shown; times are seconds; a component that is `held` is killed
    and not started again until it is no longer held. It starts once all that it `needs` is ready, and stops before
    that; what it is only to stop `before` (it sends to it) it does not wait for. `own_log` is a file that the program
    writes itself and opens again at SIGUSR1.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    probes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    own_log: str | None = None
    ready_within: float = 30.0
    stop_within: float = 10.0
    held: bool = False

    @property
    def port(self) -> int | None:
        return next(iter(self.ports.values()), None)


@dataclass(frozen=True)
class Plan:
    """Everything that one supervisor runs, and the facts that it publishes once all of it is ready.

    `number` counts the changes since the start: the record tells which of them the supervisor has taken up.
    `release` is the one that replicas are started with, `previous` the one before the last update, `weight` the share
    of the canary in percent.
    """

    components: tuple[Component, ...]
    base: int
    edge: str
    urls: Mapping[str, Any]
    number: int = 0
    profiles: tuple[str, ...] = ()
    release: str = "dev"
    previous: str | None = None
    weight: int = 0

    def save(self, path: Path) -> None:
        write_whole(path, json.dumps(asdict(self), indent=1))


def load_plan(path: Path) -> Plan:
    """Read what `Plan.save` wrote."""
    facts = json.loads(path.read_text(encoding="utf-8"))
    parts = []
    for part in facts.pop("components"):
        for name in ("command", "probes", "needs", "before"):
            part[name] = tuple(part[name])
        parts.append(Component(**part))
    return Plan(components=tuple(parts), profiles=tuple(facts.pop("profiles", ())), **facts)


def same_process(running: Component, wanted: Component | None) -> bool:
    """Tell whether the process of the one serves as that of the other: held or not is no difference, nor are the order
    of starts and stops, and what is asked of it.
    """
    return wanted is not None and _process(wanted) == _process(running)


def _process(part: Component) -> Component:
    return replace(part, held=False, needs=(), before=(), probes=())


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
