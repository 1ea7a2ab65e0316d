"""One step in the life of a version: the routes file is changed, then everybody is asked whether they follow."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.models.reports import WITHIN, wait
from labkit.models.routes import Route, read_routes, write_route
from labkit.models.versions import Version, checked, versions_of


@dataclass(frozen=True)
class Step:
    """What was asked for, how many of the running services follow, and the names of those that do not."""

    model: str
    route: Route
    following: int
    late: list[str]

    def to_dict(self) -> dict[str, Any]:
        route = self.route
        return {
            "model": self.model,
            "stable": route.stable,
            "canary": route.canary,
            "weight": route.weight,
            "previous": route.previous,
            "traffic": route.traffic,
            "following": self.following,
            "not_following": self.late,
        }


def step(
    home: Home, model: str, change: Callable[[Route, Mapping[str, Version]], Route], within: float = WITHIN
) -> Step:
    """Change a model's route and wait until every replica and worker of the stack serves it, `within` seconds at most.

    Raises CannotRun, with nothing changed, for a version that is unknown or damaged.
    """
    known = versions_of(home, model)
    route = change(current_route(home, model, known), known)
    for version in (route.stable, route.canary):
        if version is not None:
            checked(known, version)
    write_route(home, model, route)
    return Step(model, route, *wait(home, model, route, within))


def current_route(home: Home, model: str, known: Mapping[str, Version]) -> Route:
    """Return the model's route; without one its first version answers."""
    return read_routes(home).get(model) or Route(next(iter(known)))


def weight_of(text: str) -> float:
    """Return a weight in percent. Raises CannotRun."""
    try:
        weight = float(text)
    except ValueError:
        weight = -1.0
    if not 0 <= weight <= 100:
        raise CannotRun(f"weight {text}: it is in percent, 0 to 100")
    return weight
