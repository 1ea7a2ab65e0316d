"""The stack of `lab up`: processes of this machine, behind the Traefik that `lab up` started."""

from collections.abc import Mapping

from labkit.engines.engine import Replica
from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.amended import replicas_of
from labkit.stack.catalogue import REPLICAS
from labkit.stack.change import hold, present_plan, running_record
from labkit.stack.control import start, stop
from labkit.stack.obtain.program import Say
from labkit.stack.replicas import roll_back_replicas, scale_replicas, update_replicas, weigh_canary
from labkit.stack.status import look
from labkit.urls import Urls, running

__all__ = ["ProcessEngine", "look", "open_engine", "start", "stop"]


class ProcessEngine:
    """See labkit.engines.engine.Engine."""

    name = "process"

    def __init__(self, home: Home, say: Say) -> None:
        self._home = home
        self._say = say

    def urls(self) -> Urls:
        urls = running(self._home)
        if urls is None:
            raise CannotRun("no stack is up here; next: lab up")
        return urls

    def replicas(self) -> tuple[Replica, ...]:
        releases = replicas_of(present_plan(self._home))
        ready = {member.name for member in running_record(self._home).members if member.state == "ready"}
        return tuple(Replica(name, releases[name], name in ready) for name in REPLICAS if name in releases)

    def kill(self, replica: str) -> None:
        if replica not in REPLICAS:
            raise CannotRun(f"{replica!r} is no replica; next: lab status")
        hold(self._home, replica, self._say)

    def scale(self, count: int) -> None:
        scale_replicas(self._home, count, self._say)

    def update(self, release: str) -> None:
        update_replicas(self._home, release, self._say)

    def rollback(self) -> None:
        roll_back_replicas(self._home, self._say)

    def canary(self, weight: int) -> None:
        weigh_canary(self._home, weight, self._say)


def open_engine(home: Home, environ: Mapping[str, str], say: Say) -> ProcessEngine:  # noqa: ARG001  (every engine's)
    """Return the engine of the stack that is up in this folder. Raises CannotRun when none is."""
    present_plan(home)
    return ProcessEngine(home, say)
