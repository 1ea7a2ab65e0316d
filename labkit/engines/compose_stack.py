"""Starting and ending the containers of docker-compose.yml: what `lab up` and `lab down` do with them."""

import os
from collections.abc import Mapping, Sequence

from labkit.engines.compose_addresses import addresses
from labkit.engines.compose_project import NEXT, PROFILES, Project
from labkit.engines.docker import docker, has_image, image_of, usage
from labkit.engines.edge_view import STABLE, EdgeView
from labkit.engines.env_file import file_of
from labkit.engines.preparation import prepare
from labkit.engines.waiting import wait_until
from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.control import alone
from labkit.stack.obtain.program import Say
from labkit.stack.progress import Progress
from labkit.stack.status import Row, Status
from labkit.urls import publish, withdraw

CORE = "core"
DEFAULT = ("stream", "logs")
QUEUES = ("stream", "cluster", "kafka-legacy")
BUILD_WITHIN = 1200.0
UP_WITHIN = 300.0


def start(home: Home, environ: Mapping[str, str], say: Say, asked: Sequence[str] = ()) -> bool:
    """Start the containers of these profiles and return once all are ready; False when nothing had to be started.

    What `lab init` does is done as well, and the image is built where it is missing. Raises CannotRun when something
    does not become ready; it stays as it is then, to be looked at.
    """
    profiles = chosen(asked)
    with alone(home):
        prepare(home, environ)
        project = Project(home, environ, say)
        release = project.variables["LAB_RELEASE"]
        if not has_image(release):
            say(f"building {image_of(release)}: some minutes, the first time")
            arguments = ("--build-arg", f"RELEASE={release}", "-t", image_of(release), str(home.root))
            docker("build", *arguments, within=BUILD_WITHIN)
        project.set(COMPOSE_PROFILES=",".join(profiles), **reached(profiles))
        wanted = set(project.compose("config", "--services").split())
        before = {one.ident for one in project.containers() if one.state == "running"}
        for one in project.containers():
            if one.service not in wanted:  # Compose itself leaves what another profile has started
                docker("stop", one.ident, within=UP_WITHIN)
                docker("rm", "--force", one.ident)
        say(f"starting {project.name}: {', '.join((CORE, *profiles))}")
        project.compose("up", "-d", "--remove-orphans", within=UP_WITHIN)
        wait_ready(project)
        publish(home, addresses(project))
        return before != {one.ident for one in project.containers()}


def chosen(asked: Sequence[str]) -> tuple[str, ...]:
    """Return the profiles of the Compose file; without any, those with a queue and logs. `core` alone: none.

    Raises CannotRun for an unknown one and for two kinds of Kafka.
    """
    for name in asked:
        if name != CORE and name not in PROFILES:
            there = ", ".join((CORE, *PROFILES))
            raise CannotRun(f"docker-compose.yml has no profile {name!r}; there are: {there}; next: lab up --help")
    profiles = tuple(name for name in dict.fromkeys(asked) if name != CORE) if asked else DEFAULT
    kafka = [name for name in profiles if name in QUEUES]
    if len(kafka) > 1:
        raise CannotRun(f"the profiles {' and '.join(kafka)} exclude each other; next: lab up --profile {kafka[0]}")
    return profiles


def reached(profiles: Sequence[str]) -> dict[str, str]:
    """Return the variables that tell the services what there is beside them."""
    logs = "collector" if "logs" in profiles else "graylog" if "graylog" in profiles else ""
    return {
        "LAB_KAFKA_SERVERS": "kafka:9092" if set(profiles) & set(QUEUES) else "",
        "LAB_KAFKA_COPIES": "3" if "cluster" in profiles else "1",
        "LAB_LOGS_TO": f"udp://{logs}:12201" if logs else "",
    }


def wait_ready(project: Project) -> None:
    """Return once every container is healthy and the edge sends requests to every replica. Raises CannotRun."""
    edge = EdgeView(f"http://127.0.0.1:{project.port('LAB_EDGE_METRICS_PORT')}/metrics")

    def waiting() -> list[str]:
        found = project.containers()
        replicas = {one.addresses.get("edge", "") for one in found if one.service == "api"}
        unready = [f"{one.name} is {one.condition}" for one in found if not one.ready]
        return unready or ([] if edge.servers(STABLE) == replicas else ["the edge does not know all replicas"])

    wait_until(lambda: not waiting(), lambda: ", ".join(waiting()) or "nothing", project.say, UP_WITHIN, NEXT)


def stop(home: Home, say: Say) -> bool:
    """End all containers of the project, whatever its profiles; volumes stay. False when there was none."""
    if not file_of(home).is_file():
        withdraw(home)
        return False
    with alone(home):
        project = Project(home, os.environ, say)
        there = bool(project.containers())
        if there:
            project.compose("down", "--remove-orphans", profiles=PROFILES, within=UP_WITHIN)
        withdraw(home)
        return there


def look(home: Home) -> Status:
    """Look at the containers."""
    try:
        project = Project(home, os.environ, Progress())
    except CannotRun:
        return Status(False, "down", None, None, ())
    found = project.containers()
    if not found:
        return Status(False, "down", None, None, ())
    used = usage([one.ident for one in found])
    rows = tuple(
        Row(
            name=f"{one.service}-{one.number}",
            state=one.condition,
            pid=None,
            port=one.port,
            rss=used.get(one.name, (None, None))[0],
            pss=None,
            cpu_percent=used.get(one.name, (None, None))[1],
            restarts=one.restarts,
            last_exit=None if one.state == "running" else f"exit code {one.exit_code}",
        )
        for one in found
    )
    ready = all(one.ready for one in found)
    return Status(ready, "up" if ready else "starting", None, "traefik", rows, (CORE, *project.profiles))
