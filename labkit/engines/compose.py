"""The lab as containers of `docker compose`, on this machine's Docker engine."""

import math
import time
from collections.abc import Callable, Mapping, Sequence

from labkit.engines.compose_addresses import addresses
from labkit.engines.compose_project import NEXT, Container, Project
from labkit.engines.compose_stack import look, start, stop
from labkit.engines.docker import check_image, docker
from labkit.engines.edge_view import CANARY, STABLE, EdgeView, scraped_hosts
from labkit.engines.engine import Replica, check_count, check_weight
from labkit.engines.waiting import wait_until
from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.obtain.program import Say
from labkit.urls import Urls, publish

__all__ = ["ComposeEngine", "look", "open_engine", "start", "stop"]

GRACE = 20
"""Seconds for a replica that is stopped: it drains, and answers what it has in hand."""
READY_WITHIN = 300.0


class ComposeEngine:
    """See labkit.engines.engine.Engine."""

    name = "compose"

    def __init__(self, project: Project) -> None:
        self._project = project
        self._edge = EdgeView(f"http://127.0.0.1:{project.port('LAB_EDGE_METRICS_PORT')}/metrics")

    def urls(self) -> Urls:
        urls = addresses(self._project)
        publish(self._project.home, urls)  # for all commands that come after
        return urls

    def replicas(self) -> tuple[Replica, ...]:
        """A replica is ready when the edge sends it requests."""
        known = self._edge.servers(STABLE)
        return tuple(
            Replica(one.name, one.release, one.state == "running" and one.addresses["edge"] in known)
            for one in self._project.containers("api")
        )

    def kill(self, replica: str) -> None:
        if replica not in {one.name for one in self._project.containers("api")}:
            raise CannotRun(f"{replica!r} is no replica; next: lab release show --engine compose")
        docker("kill", "--signal", "KILL", replica)

    def scale(self, count: int) -> None:
        check_count(count)
        self._project.set(LAB_API_REPLICAS=str(count))
        self._up("--no-recreate", "--scale", f"api={count}", "api")
        self._settle(count)

    def update(self, release: str) -> None:
        """One more replica of that release, then one less of those before, until there are only new ones.

        Compose itself stops a container before it starts the next; hence this.
        """
        check_image(release)
        before = [one for one in self._project.containers("api") if one.release != release]
        count = len(self._project.containers("api"))
        if not before:
            return
        present = self._project.variables.get("LAB_RELEASE", "dev")
        if present != release:
            self._project.set(LAB_RELEASE=release, LAB_RELEASE_BEFORE=present)
        for old in before:
            self._up("--no-recreate", "--scale", f"api={count + 1}", "api")
            self._settle(count + 1)
            self._remove(old)
        self._settle(count)
        if self._project.containers("worker"):
            self._up("worker")

    def rollback(self) -> None:
        earlier = self._project.variables.get("LAB_RELEASE_BEFORE")
        if not earlier:
            raise CannotRun("there was no update yet; next: lab release update 2 --engine compose")
        self.update(earlier)

    def canary(self, weight: int) -> None:
        check_weight(weight)
        told = math.floor(time.time())
        changed = self._project.variables.get("LAB_EDGE_WEIGHT", "0") != str(weight)
        self._project.set(LAB_EDGE_WEIGHT=str(weight))
        if weight:
            self._up("api-canary", profiles=("canary",))
        # It alone is replaced; Traefik goes on with what it was told last.
        self._up("discovery")
        if changed:
            self._wait(lambda: self._edge.last_change() >= told, lambda: "the edge has not taken over the weight")
        if weight:
            self._settle()
            return
        for one in self._project.containers("api-canary"):
            self._remove(one)
        self._settle()

    def _up(self, *arguments: str, profiles: tuple[str, ...] = ()) -> None:
        self._project.compose("up", "-d", "--no-deps", *arguments, profiles=(*self._project.profiles, *profiles))

    def _remove(self, container: Container) -> None:
        docker("stop", "--time", str(GRACE), container.ident, within=GRACE + 30.0)
        docker("rm", "--force", container.ident)

    def _settle(self, count: int | None = None) -> None:
        """Wait until `count` replicas, and canaries as they are, run, have requests and are scraped."""

        def settled() -> bool:
            api = self._project.containers("api")
            canaries = self._project.containers("api-canary")
            if any(one.state != "running" for one in (*api, *canaries)) or count not in (None, len(api)):
                return False
            weighed = canaries if self._project.variables.get("LAB_EDGE_WEIGHT", "0") != "0" else ()
            return (
                self._edge.servers(STABLE) == _hosts(api, "edge")
                and self._edge.servers(CANARY) == _hosts(weighed, "edge")
                and scraped_hosts(f"http://127.0.0.1:{self._project.port('LAB_PROMETHEUS_PORT')}", "api")
                == _hosts((*api, *canaries), "monitoring")
            )

        self._wait(settled, self._unsettled)
        self.urls()

    def _wait(self, wanted: Callable[[], bool], what: Callable[[], str]) -> None:
        wait_until(wanted, what, self._project.say, READY_WITHIN, NEXT)

    def _unsettled(self) -> str:
        found = (*self._project.containers("api"), *self._project.containers("api-canary"))
        if waiting := [f"{one.name} is {one.condition}" for one in found if one.state != "running"]:
            return ", ".join(waiting)
        known = self._edge.servers(STABLE) | self._edge.servers(CANARY)
        return f"{len(found)} replicas run, the edge knows {len(known)} of them, or Prometheus not all"


def _hosts(containers: Sequence[Container], network: str) -> frozenset[str]:
    return frozenset(one.addresses[network] for one in containers if network in one.addresses)


def open_engine(home: Home, environ: Mapping[str, str], say: Say) -> ComposeEngine:
    """Return the engine of the project that `lab init` prepared. Raises CannotRun when nothing of it runs."""
    project = Project(home, environ, say)
    if not project.containers("api"):
        raise CannotRun(f"no containers of the project {project.name}; next: lab up --engine compose")
    return ComposeEngine(project)
