"""The lab on Docker Swarm: docker-stack.yml, deployed on the swarm that this machine manages."""

import time
from collections.abc import Mapping
from typing import Any

from labkit.engines.docker import docker, image_of, inspect, records
from labkit.engines.edge_view import CANARY, STABLE, scraped_hosts
from labkit.engines.engine import Replica, check_count, check_weight
from labkit.engines.env_file import file_of, read_variables, set_variables
from labkit.engines.swarm_stack import MOVING, Deployed, addresses, deployed, edge_of, start, stop
from labkit.engines.swarm_status import look
from labkit.engines.waiting import wait_until
from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.obtain.program import Say
from labkit.stack.ports import HOST
from labkit.urls import Urls

__all__ = ["SwarmEngine", "look", "open_engine", "start", "stop"]

CHANGED_WITHIN, KNOWN_WITHIN = 600.0, 60.0
EDGE_ASKS_WITHIN = 1.5
"""Traefik asks `discovery` twice a second, and takes over a change at most 0.2 s later."""


class SwarmEngine:
    """See labkit.engines.engine.Engine. Replicas are the tasks of the service `api`.

    What is changed here is also noted in the variables of `lab init`: the next deployment keeps it.
    """

    name = "swarm"

    def __init__(self, home: Home, stack: Deployed, say: Say) -> None:
        self._home = home
        self._stack = stack
        self._say = say
        self._api, self._canary = f"{stack.name}_api", f"{stack.name}_api-canary"

    def urls(self) -> Urls:
        return addresses(self._home)

    def replicas(self) -> tuple[Replica, ...]:
        found = (
            Replica(f"{task['Name']}.{task['ID']}", _release(task["Image"]), task["CurrentState"].startswith("Running"))
            for task in self._tasks(self._api)
        )
        return tuple(sorted(found, key=lambda replica: replica.name))

    def kill(self, replica: str) -> None:
        if replica not in {one.name for one in self.replicas()}:
            raise CannotRun(f"{replica!r} is no replica; next: lab release show")
        docker("kill", "--signal", "KILL", replica)  # a task's container has its name

    def scale(self, count: int) -> None:
        check_count(count)
        set_variables(self._home, {"LAB_API_REPLICAS": str(count)})
        docker("service", "scale", "--detach=false", f"{self._api}={count}", within=CHANGED_WITHIN)
        self._settle()

    def update(self, release: str) -> None:
        """Swarm itself does it, as docker-stack.yml says: a release that does not start is taken back."""
        now = self._present_release()
        if now == release:
            return
        self._change(self._api, *_image(release))
        if self._outcome() != "completed":
            raise CannotRun(
                f"release {release} does not work, the replicas are of {now} again ({self._error_of(release)}); "
                f"next: docker service ps --no-trunc {self._api}"
            )
        self._updated(now, release)

    def rollback(self) -> None:
        service = inspect("service", self._api)[0]
        now, before = self._present_release(), read_variables(file_of(self._home)).get("LAB_RELEASE_BEFORE")
        if not before:
            raise CannotRun(f"there was no release before {now!r}; next: lab release update 2")
        if _release_of(service.get("PreviousSpec")) == before:
            docker("service", "rollback", "--quiet", "--detach=false", self._api, within=CHANGED_WITHIN)
            self._outcome()
            self._updated(now, before)
        else:  # something else was changed since: that is what Swarm would take back
            self.update(before)

    def canary(self, weight: int) -> None:
        check_weight(weight)
        set_variables(self._home, {"LAB_EDGE_WEIGHT": str(weight), "LAB_CANARY_REPLICAS": "1" if weight else "0"})
        if weight:
            self._change(self._canary, "--replicas", "1", *_image(self._present_release()))
        self._change(f"{self._stack.name}_discovery", "--env-add", f"LAB_EDGE_WEIGHT={weight}")
        time.sleep(EDGE_ASKS_WITHIN)  # Traefik does not tell the weights that it has
        if not weight:
            self._change(self._canary, "--replicas", "0")
        self._settle()

    def _updated(self, before: str, release: str) -> None:
        set_variables(self._home, {"LAB_RELEASE": release, "LAB_RELEASE_BEFORE": before})
        self._settle()

    def _change(self, service: str, *options: str) -> None:
        follow = ("--quiet", "--detach=false", "--no-resolve-image")
        docker("service", "update", *follow, *options, service, within=CHANGED_WITHIN)

    def _present_release(self) -> str:
        return _release_of(inspect("service", self._api)[0]["Spec"])

    def _tasks(self, service: str) -> list[dict[str, Any]]:
        return list(records("service", "ps", "--no-trunc", "--filter", "desired-state=running", service))

    def _outcome(self) -> str:
        """Return how the last update has ended: Docker's command ends before Swarm has watched the new tasks for long
        enough, and calls it a success when they were taken back.
        """

        def state() -> str:
            status: dict[str, str] = inspect("service", self._api)[0].get("UpdateStatus", {})
            return status.get("State", "")

        wait_until(lambda: state() not in MOVING, lambda: f"the service is {state()}", self._say, CHANGED_WITHIN)
        return state()

    def _error_of(self, release: str) -> str:
        """Return what Swarm says of the last task of a release that failed."""
        tasks = records("service", "ps", "--no-trunc", self._api)
        errors = (task["Error"].strip('"') for task in tasks if task["Error"] and _release(task["Image"]) == release)
        return next(errors, "no reason is given")

    def _settle(self) -> None:
        """Wait until replicas and canary, as they are, have requests and are scraped."""
        variables = read_variables(file_of(self._home))
        edge = edge_of(variables)
        prometheus = f"http://{HOST}:{variables['LAB_PROMETHEUS_PORT']}"

        def settled() -> bool:
            return (
                edge.servers(STABLE) == self._hosts(self._api, "edge")
                and edge.servers(CANARY) == self._hosts(self._canary, "edge")
                and scraped_hosts(prometheus, "api")
                == self._hosts(self._api, "monitoring") | self._hosts(self._canary, "monitoring")
            )

        wait_until(
            settled, lambda: "the edge or Prometheus knows other replicas than there are", self._say, KNOWN_WITHIN
        )

    def _hosts(self, service: str, network: str) -> frozenset[str]:
        """Return the addresses of a service's tasks in a network of the stack."""
        tasks = inspect("", *(task["ID"] for task in self._tasks(service)))
        attached = (one for task in tasks for one in task.get("NetworksAttachments", ()))
        wanted = f"{self._stack.name}_{network}"
        return frozenset(
            one["Addresses"][0].partition("/")[0] for one in attached if one["Network"]["Spec"]["Name"] == wanted
        )


def open_engine(home: Home, environ: Mapping[str, str], say: Say) -> SwarmEngine:  # noqa: ARG001  (every engine's)
    """Return the engine of the stack that was deployed from this folder. Raises CannotRun when there is none."""
    stack = deployed(home)
    if stack is None:
        raise CannotRun("no stack is on a swarm here; next: lab up --engine swarm")
    return SwarmEngine(home, stack, say)


def _image(release: str) -> tuple[str, ...]:
    """Return the options of a release; without the label the next deployment takes the image for one of its own."""
    return ("--image", image_of(release), "--label-add", f"com.docker.stack.image={image_of(release)}")


def _release_of(spec: Mapping[str, Any] | None) -> str:
    return _release(spec["TaskTemplate"]["ContainerSpec"]["Image"]) if spec else ""


def _release(image: str) -> str:
    return image.partition("@")[0].rpartition(":")[2]
