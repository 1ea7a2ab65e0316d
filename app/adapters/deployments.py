"""Versions loaded and routed to while the service runs, as the routes file says."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import Final, Generic, Protocol, TypeVar

from app.adapters.routes_file import RoutesFile
from app.core.errors import WrongRoutes
from app.core.registry import Registry, Served
from app.core.routes import Route, surplus

_log = logging.getLogger("app.deployments")
PERIOD: Final = 0.5
"""Seconds between two looks at the file."""

S = TypeVar("S", bound=Served)
S_contra = TypeVar("S_contra", contravariant=True)


class Follower(Protocol[S_contra]):
    """Who has to know which versions there are: told before a request can meet one, and after the last could."""

    def added(self, served: S_contra) -> None: ...

    def dropped(self, served: S_contra) -> None: ...


class Deployments(Generic[S]):
    """Keeps a registry as the routes file says. All methods belong to the thread that picks from the registry."""

    def __init__(
        self,
        registry: Registry[S],
        routes: RoutesFile | None,
        load: Callable[[str, str], S],
        period: float = PERIOD,
    ) -> None:
        """`load`: returns a version by model and version, raises with the reason when it cannot; any thread."""
        self._period = period
        self._registry = registry
        self._routes = routes
        self._load = load
        self._followers: list[Follower[S]] = []
        self._next_look = 0.0

    def tell(self, follower: Follower[S]) -> None:
        """Tell somebody of every version: of those that are there now, and of what comes and goes."""
        for split in self._registry.models.values():
            for served in split.versions.values():
                follower.added(served)
        self._followers.append(follower)

    def start(self) -> None:
        """Apply the file before the first request. What cannot be loaded costs only its own part here: a canary that
        is damaged must not take its stable version along.
        """
        for name, route in (self._changed() or {}).items():
            self._try({name: route}) or self._try({name: Route(stable=route.stable)})

    def refresh(self) -> None:
        """Apply the file when it has changed; for the turns of a loop of one's own, quick when there is nothing new."""
        now = monotonic()
        if now < self._next_look:
            return
        self._next_look = now + self._period
        routes = self._changed()
        if routes is not None:
            self._try(routes)

    async def follow(self) -> None:
        """Apply the file whenever it changes, for ever; versions are loaded in a thread."""
        while True:
            await asyncio.sleep(self._period)
            routes = self._changed()
            if routes is not None:
                loaded = await asyncio.to_thread(self._loaded, routes)
                if loaded is not None:
                    self._apply(routes, loaded)

    def _changed(self) -> Mapping[str, Route] | None:
        try:
            return self._routes.changed() if self._routes else None
        except WrongRoutes as error:
            _log.error("routes not applied, nothing changes: %s", error)
            return None

    def _try(self, routes: Mapping[str, Route]) -> bool:
        loaded = self._loaded(routes)
        if loaded is None:
            return False
        self._apply(routes, loaded)
        return True

    def _loaded(self, routes: Mapping[str, Route]) -> list[S] | None:
        """Load what the routes name and the registry does not have; None when something of it cannot answer."""
        found = []
        for name, route in routes.items():
            for version in dict.fromkeys(route.loaded):
                try:
                    if version not in self._registry.model(name).versions:
                        found.append(self._load(name, version))
                except Exception as error:
                    if version in (route.stable, route.canary):
                        _log.error("routes not applied, nothing changes: %s/%s: %s", name, version, error)
                        return None
                    _log.error("%s: no way back to %s: %s", name, version, error)
        return found

    def _apply(self, routes: Mapping[str, Route], loaded: Iterable[S]) -> None:
        for served in loaded:
            for follower in self._followers:
                follower.added(served)
            self._registry.model(served.info.name).add(served)
        for name, route in routes.items():
            split = self._registry.model(name)
            split.route(route.stable, route.canary, route.weight / 100)
            for version in surplus(split.versions, route):
                served = split.versions[version]
                split.drop(version)
                for follower in self._followers:
                    follower.dropped(served)
            shares = ", ".join(f"{version} {share:.0%}" for version, share in split.traffic.items())
            _log.info("%s: %s", name, shares)
