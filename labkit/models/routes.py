"""The routes file: which version of a model answers, and which one gets a share to try it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.record import write_whole


@dataclass(frozen=True)
class Route:
    """`weight` is the canary's share in percent; `previous` was the stable version before this one."""

    stable: str
    canary: str | None = None
    weight: float = 0.0
    previous: str | None = None

    @property
    def traffic(self) -> dict[str, float]:
        """The share of the requests by version, 0 to 1."""
        share = self.weight / 100
        return {self.stable: 1 - share} | ({self.canary: share} if self.canary else {})

    @property
    def words(self) -> str:
        return ", ".join(f"{version} {round(share * 100, 6):g} %" for version, share in self.traffic.items())


def routes_file(home: Home) -> Path:
    return home.data / "routes.json"


def read_routes(home: Home) -> dict[str, Route]:
    """Return the routes by model; none when nothing was ever changed. Raises CannotRun for a file that is none."""
    path = routes_file(home)
    try:
        return {model: Route(**route) for model, route in json.loads(path.read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        raise CannotRun(
            f"{path}: not a routes file ({error}); next: remove it, every model is then at its first"
        ) from None


def write_route(home: Home, model: str, route: Route) -> None:
    """Replace the file in one step; the service looks at it twice a second."""
    routes = read_routes(home) | {model: route}
    home.data.mkdir(parents=True, exist_ok=True)
    write_whole(routes_file(home), json.dumps({name: asdict(one) for name, one in routes.items()}, indent=2) + "\n")


def tried(route: Route, version: str, weight: float) -> Route:
    """Return the route with a canary. Raises CannotRun."""
    if version == route.stable:
        raise CannotRun(f"{version} is the stable version; a canary is another one")
    return Route(route.stable, version, weight, route.previous)


def promoted(route: Route, version: str) -> Route:
    """Return the route with another stable version, the canary off."""
    return Route(version, previous=route.previous if version == route.stable else route.stable)


def rolled_back(route: Route) -> Route:
    """Return the route before the last step: a canary goes, else the previous stable version answers again.

    Raises CannotRun when there was no step.
    """
    if route.canary is not None:
        return Route(route.stable, previous=route.previous)
    if route.previous is None:
        raise CannotRun(f"nothing to roll back: {route.stable} answers, and none before it is known")
    return Route(route.previous, previous=route.stable)
