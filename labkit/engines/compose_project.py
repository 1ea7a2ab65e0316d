"""The containers of one Compose project, and the `docker compose` that changes them."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.engines.docker import call, docker, inspect, own_environment
from labkit.engines.env_file import file_of, read_variables, set_variables
from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.obtain.program import Say

NEXT = "docker ps -a, docker logs NAME"
# Of the Compose file; core is what has none.
PROFILES = ("stream", "cluster", "kafka-legacy", "logs", "graylog", "load", "canary", "ui")


@dataclass(frozen=True)
class Container:
    """One container as the engine knows it; `addresses` by network, `health` empty without a healthcheck."""

    ident: str
    name: str
    service: str
    number: int
    release: str
    state: str
    health: str
    exit_code: int
    restarts: int
    addresses: Mapping[str, str]
    port: int | None

    @property
    def ready(self) -> bool:
        return self.state == "running" and self.health in ("healthy", "")

    @property
    def condition(self) -> str:
        if self.state == "running":
            return {"healthy": "ready", "": "ready"}.get(self.health, self.health)
        return self.state


class Project:
    """What `lab init` prepared, as Compose sees it."""

    def __init__(self, home: Home, environ: Mapping[str, str], say: Say) -> None:
        """Raises CannotRun before `lab init`."""
        self.home = home
        self.say = say
        self._environ = environ
        if not self.variables:
            raise CannotRun(f"{file_of(home)} is not there; next: lab init")
        self.name = environ.get("COMPOSE_PROJECT_NAME") or self.variables["COMPOSE_PROJECT_NAME"]

    @property
    def variables(self) -> dict[str, str]:
        return read_variables(file_of(self.home))

    def set(self, **changes: str) -> None:
        """Change variables for good: who runs `docker compose` by hand afterwards gets the same."""
        set_variables(self.home, changes)

    @property
    def profiles(self) -> tuple[str, ...]:
        return tuple(name for name in self.variables.get("COMPOSE_PROFILES", "").split(",") if name)

    def port(self, variable: str) -> int:
        return int(self.variables[variable])

    def compose(self, *arguments: str, within: float = 300.0, profiles: tuple[str, ...] | None = None) -> str:
        """Run Compose on the project's file with the variables of the env file alone."""
        kept = own_environment(self._environ)
        kept["COMPOSE_PROJECT_NAME"] = self.name
        kept["COMPOSE_PROFILES"] = ",".join(self.profiles if profiles is None else profiles)
        command = (*self._command(), "--env-file", str(file_of(self.home)), *arguments)
        return call(*command, within=within, cwd=self.home.root, environ=kept)

    def containers(self, service: str = "") -> tuple[Container, ...]:
        """Return the project's containers, those that ended too, by service and number."""
        filters = [f"label=com.docker.compose.project={self.name}", "label=com.docker.compose.oneoff=False"]
        if service:
            filters.append(f"label=com.docker.compose.service={service}")
        found = docker("ps", "-aq", *(part for one in filters for part in ("--filter", one))).split()
        try:
            known = [_container(facts) for facts in inspect("container", *found)]
        except CannotRun:  # one of them has just been removed
            return self.containers(service)
        return tuple(sorted(known, key=lambda one: (one.service, one.number)))

    def _command(self) -> tuple[str, ...]:
        """Return `docker compose`, or the docker-compose that LAB_COMPOSE names, or the only one there is."""
        if own := self._environ.get("LAB_COMPOSE"):
            return tuple(own.split())
        if shutil.which("docker-compose") is None or _has_plugin():
            return ("docker", "compose")
        return ("docker-compose",)


def _has_plugin() -> bool:
    try:
        docker("compose", "version", within=10.0)
    except CannotRun:
        return False
    return True


def _container(facts: Mapping[str, Any]) -> Container:
    labels, state = facts["Config"]["Labels"], facts["State"]
    networks = facts["NetworkSettings"]["Networks"]
    project = labels["com.docker.compose.project"]
    published = [one["HostPort"] for many in (facts["NetworkSettings"]["Ports"] or {}).values() for one in many or ()]
    return Container(
        ident=facts["Id"],
        name=facts["Name"].removeprefix("/"),
        service=labels["com.docker.compose.service"],
        number=int(labels.get("com.docker.compose.container-number", 1)),
        release=_release(facts["Config"]["Env"] or (), str(facts["Config"]["Image"])),
        state=state["Status"],
        health=state.get("Health", {}).get("Status", ""),
        exit_code=state["ExitCode"],
        restarts=facts["RestartCount"],
        addresses={name.removeprefix(f"{project}_"): one["IPAddress"] for name, one in networks.items()},
        port=int(published[0]) if published else None,
    )


def _release(environment: Sequence[str], image: str) -> str:
    """Return what the image was built as; Docker shows an image whose tag has moved on by its digest alone."""
    told = [line.partition("=")[2] for line in environment if line.startswith("LAB_RELEASE=")]
    return told[-1] if told else image.rpartition(":")[2]
