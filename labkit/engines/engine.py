"""What every engine can do with a deployment, whichever starts its processes: Docker, Kubernetes or `lab up` itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.catalogue import MOST
from labkit.stack.obtain.program import Say
from labkit.urls import Urls

ENGINES = {
    "process": "labkit.engines.process",
    "compose": "labkit.engines.compose",
    "swarm": "labkit.engines.swarm",
    "k8s": "labkit.engines.kubernetes",
}


@dataclass(frozen=True)
class Replica:
    """One process of the service behind the edge, as the engine sees it; canaries are none of them."""

    name: str
    release: str
    ready: bool


class Engine(Protocol):
    """A deployment that runs. Every method returns once what it asks for is so, and raises CannotRun when it will not
    be; `kill` alone returns at once.
    """

    name: str

    def urls(self) -> Urls:
        """Return the addresses at which this machine reaches the deployment."""

    def replicas(self) -> tuple[Replica, ...]:
        """Return the replicas of the service, in a fixed order."""

    def kill(self, replica: str) -> None:
        """End a replica with SIGKILL; `scale` brings the wanted number back."""

    def scale(self, count: int) -> None:
        """Run exactly `count` replicas, all of them ready and known to the edge."""

    def update(self, release: str) -> None:
        """Replace every replica by one of that release, one after the other, without losing a request."""

    def rollback(self) -> None:
        """Go back to the release before the last update, in the same way."""

    def canary(self, weight: int) -> None:
        """Send `weight` percent (0 to 100) of the requests to the canary, which answers `forest` with v2; 0 ends it."""


def engine_of(name: str, home: Home, environ: Mapping[str, str], say: Say) -> Engine:
    """Return the engine of that name. Raises CannotRun for an unknown one, and when it cannot be reached here."""
    if name not in ENGINES:
        raise CannotRun(f"no engine {name!r}; there are: {', '.join(ENGINES)}; next: lab up --engine compose")
    engine: Engine = import_module(ENGINES[name]).open_engine(home, environ, say)
    return engine


def check_count(count: int) -> None:
    """Raises CannotRun for a number of replicas that no engine runs."""
    if not 1 <= count <= MOST:
        raise CannotRun(f"1 to {MOST} replicas, not {count}; next: lab scale api 3")


def check_weight(weight: int) -> None:
    """Raises CannotRun for what is no percentage."""
    if not 0 <= weight <= 100:
        raise CannotRun(f"a canary gets 0 to 100 percent of the requests, not {weight}; next: lab release canary 10")
