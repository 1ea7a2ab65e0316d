"""The deployment that is checked: how to reach it, what may be done to it, and how it was found."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from labkit.check.deployment.counters import Counters
from labkit.check.finding import Skip
from labkit.engines.engine import Engine
from labkit.errors import CannotRun
from labkit.urls import Urls

POLL = 0.25
DEADLINE = httpx.Timeout(15.0, connect=3.0)


@dataclass(frozen=True)
class Amounts:
    """How much is sent, and for how long it is waited."""

    balanced: int = 2000
    connections: int = 20
    canary: int = 5000
    canary_weight: int = 10
    jobs: int = 3
    rate: float = 60.0
    """Requests/s beside a kill, an update or a rollback."""
    light: float = 20.0
    """The same while replicas come and go."""
    before: float = 3.0
    """Seconds of load before something is done to the deployment, and again after it."""
    load: float = 10.0
    """Seconds of load around a kill."""
    patience: float = 30.0
    """Seconds until what was done must show in Prometheus, in the store of logs or as a job's result."""


@dataclass(frozen=True)
class Found:
    """How many replicas of which release there were before anything was changed."""

    replicas: int
    release: str


@dataclass
class Deployment:
    """What a check gets. Without an engine nothing can be done to the deployment, only asked of it."""

    urls: Urls
    engine: Engine | None
    key: str | None
    say: Callable[[str], None]
    release: str = "2"
    amounts: Amounts = field(default_factory=Amounts)

    found: Found | None = None
    canary: bool = False
    """Whether a canary may have requests because of a check."""

    def __post_init__(self) -> None:
        self._http = httpx.Client(base_url=self.urls.service, timeout=DEADLINE, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send one request through the edge. Raises CannotRun when there is no answer."""
        try:
            return self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            told = str(error) or type(error).__name__
            raise CannotRun(
                f"no answer to {method} {path} at {self.urls.service} ({told}); next: lab status"
            ) from error

    def wait_ready(self) -> None:
        """Wait until the service is ready; in vain, the checks tell why. Raises CannotRun when nobody is there."""
        deadline = time.monotonic() + self.amounts.patience
        while self.ask("GET", "/readyz").status_code != 200 and time.monotonic() < deadline:
            time.sleep(POLL)

    def acting(self) -> tuple[Engine, Found]:
        """Return the engine, for a check that changes the deployment, and how the first of them found it."""
        if self.engine is None:
            raise Skip("an address alone cannot be changed; --engine can")
        if self.found is None:
            replicas = self.engine.replicas()
            releases = sorted({replica.release for replica in replicas})
            if len(releases) != 1:
                there = ", ".join(releases) or "none"
                raise CannotRun(f"the replicas are of release {there}; next: bring all of them to one release")
            self.found = Found(len(replicas), releases[0])
        return self.engine, self.found

    def restore(self) -> None:
        """Leave the deployment as it was found, whatever a check that was interrupted has left. Raises CannotRun."""
        if self.engine is None or self.found is None:
            return
        if self.canary:
            self.say("ending the canary")
            self.engine.canary(0)
            self.canary = False
        if any(replica.release != self.found.release for replica in self.engine.replicas()):
            self.say(f"going back to release {self.found.release}")
            self.engine.update(self.found.release)
        if sum(replica.ready for replica in self.engine.replicas()) != self.found.replicas:
            self.say(f"going back to {self.found.replicas} replicas")
            self.engine.scale(self.found.replicas)

    def counters(self) -> Counters:
        """Return what Prometheus has counted."""
        return Counters(self.needed(self.urls.prometheus, "Prometheus", "LAB_PROMETHEUS_URL"), self.amounts.patience)

    def keyed(self) -> dict[str, str]:
        """Return the header that says who asks, for what is stored."""
        return {"X-API-Key": self.needed(self.key, "API key", "LAB_API_KEY")}

    def needed(self, value: str | None, what: str, variable: str) -> str:
        """Return what an engine's deployment must have; behind an address alone it may be unknown."""
        if value:
            return value
        if self.engine is None:
            raise Skip(f"no {what} is known of this address; set {variable}")
        raise CannotRun(f"this deployment names no {what}; next: lab urls, or set {variable}")
