"""Deploying docker-stack.yml on Swarm, and removing it again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from labkit.engines.docker import check_image, docker, inspect, own_environment, records
from labkit.engines.edge_view import STABLE, EdgeView
from labkit.engines.env_file import PORTS, file_of, notifications_of, read_variables
from labkit.engines.preparation import prepare
from labkit.engines.stack_file import FILE, digests
from labkit.engines.swarm_node import begin, end, manages, open_to_others
from labkit.engines.waiting import wait_until
from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.control import alone
from labkit.stack.obtain.program import Say
from labkit.stack.ports import DEFAULT_BASE, HOST
from labkit.stack.record import write_whole
from labkit.urls import Urls, publish, withdraw

RECORD = "swarm.json"
UP_WITHIN, DOWN_WITHIN = 600.0, 180.0
MOVING = {"updating", "rollback_started"}
# The stack file has no profiles: these are always there, others never.
PROFILES = ("core", "stream", "logs")


@dataclass(frozen=True)
class Deployed:
    """A stack by its name, and whether its swarm was made for it."""

    name: str
    own_swarm: bool

    @property
    def label(self) -> str:
        return f"label=com.docker.stack.namespace={self.name}"

    def waiting(self) -> list[str]:
        """Return each service that does not have all its tasks, or is being replaced, such as "api 1/2"."""
        found = {one["Name"]: one["Replicas"].split(" ")[0] for one in records("service", "ls", "--filter", self.label)}
        states = {
            one["Spec"]["Name"]: one.get("UpdateStatus", {}).get("State", "") for one in inspect("service", *found)
        }
        short = {name: count for name, count in found.items() if len(set(count.split("/"))) != 1}
        moving = {name: states[name] for name in found if states[name] in MOVING}
        return [f"{name.removeprefix(f'{self.name}_')} {what}" for name, what in {**moving, **short}.items()]

    def left(self) -> list[str]:
        """Return the containers and networks that the stack has on this machine, by name."""
        containers = docker("ps", "-a", "--filter", self.label, "--format", "{{.Names}}")
        return (containers + docker("network", "ls", "--filter", self.label, "--format", "{{.Name}}")).split()


def deployed(home: Home) -> Deployed | None:
    """Return what `start` has deployed from this folder, None when there is nothing."""
    try:
        return Deployed(**json.loads((home.lab / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def start(home: Home, environ: Mapping[str, str], say: Say, profiles: Sequence[str] = ()) -> bool:
    """Deploy the stack and return once all of it is ready; False when it was there, and is now as the files say.

    A machine that is in no swarm gets one of its own, on loopback. Raises CannotRun when the stack does not become
    ready; it stays as it is then, to be looked at.
    """
    if strange := set(profiles) - set(PROFILES):
        raise CannotRun(f"{FILE} has no profile {', '.join(sorted(strange))}; next: lab up --engine compose")
    variables = dict(prepare(home, environ).variables)
    check_image(variables["LAB_RELEASE"])
    with alone(home):
        before = deployed(home)
        stack = before or _begun(home, environ, variables, say)
        publish(home, addresses(home))  # from now on `lab down` finds it
        _deploy(home, stack, variables, environ)
        edge = edge_of(variables)
        wait_until(lambda: not stack.waiting(), lambda: _why(stack), say, UP_WITHIN)
        wait_until(lambda: bool(edge.servers(STABLE)), lambda: "the edge knows no replica", say, UP_WITHIN)
        if open_to_others():
            say("this swarm publishes ports on every address of the machine: its docker_gwbridge was made so")
    return before is None


def stop(home: Home, say: Say) -> bool:
    """Remove the stack, and the swarm that was made for it; volumes stay. False when it was not there."""
    stack = deployed(home)
    if stack is None:
        return False
    with alone(home):
        _remove(home, stack, say)
    return True


def addresses(home: Home) -> Urls:
    """Return where this machine reaches the stack: its tasks have addresses that only they themselves reach."""
    variables = read_variables(file_of(home))
    at = {name: f"{HOST}:{variables[name]}" for name in PORTS if name in variables}
    return Urls(
        service=f"http://{at['LAB_EDGE_PORT']}",
        engine="swarm",
        edge="traefik",
        prometheus=f"http://{at['LAB_PROMETHEUS_PORT']}",
        alertmanager=f"http://{at['LAB_ALERTMANAGER_PORT']}",
        alerts=str(notifications_of(home) / "notifications.jsonl"),
        kafka=at["LAB_KAFKA_PORT"],
        logs=f"http://{at['LAB_ELASTICSEARCH_PORT']}",
        collector_metrics=f"http://{at['LAB_COLLECTOR_PORT']}/metrics",
        elasticsearch=f"http://{at['LAB_ELASTICSEARCH_PORT']}",
        grafana=f"http://{at['LAB_GRAFANA_PORT']}",
        api_key_file=str(home.secrets / "api-key"),
    )


def edge_of(variables: Mapping[str, str]) -> EdgeView:
    return EdgeView(f"http://{HOST}:{variables['LAB_EDGE_METRICS_PORT']}/metrics")


def _begun(home: Home, environ: Mapping[str, str], variables: Mapping[str, str], say: Say) -> Deployed:
    """Make the swarm where there is none; the stack is noted first, so that `stop` removes what an interrupt leaves."""
    base = int(variables["LAB_EDGE_PORT"]) - PORTS["LAB_EDGE_PORT"]
    name = environ.get("LAB_STACK") or ("lab" if base == DEFAULT_BASE else f"lab-{base}")
    stack = Deployed(name, own_swarm=not manages())
    write_whole(home.lab / RECORD, json.dumps(asdict(stack)))
    if stack.own_swarm:
        begin(say)
    return stack


def _deploy(home: Home, stack: Deployed, variables: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Like `set -a; . ./.env`, with digests of the files; nothing else of this shell can change the stack."""
    given = {**own_environment(environ), **variables, **digests(home.root, variables), "LAB_STACK": stack.name}
    arguments = ("--resolve-image", "never", "--compose-file", FILE, stack.name)
    docker("stack", "deploy", *arguments, within=UP_WITHIN, cwd=home.root, environ=given)


def _why(stack: Deployed) -> str:
    """Return what is not ready, with the last error of the first of it."""
    waiting = stack.waiting()
    service = f"{stack.name}_{waiting[0].split()[0]}" if waiting else ""
    tasks = records("service", "ps", "--no-trunc", service) if service else ()
    error = next((task["Error"] for task in tasks if task["Error"]), "")
    return ", ".join(waiting) + (f" ({error})" if error else "")


def _remove(home: Home, stack: Deployed, say: Say) -> None:
    if manages():
        docker("stack", "rm", stack.name)
        wait_until(lambda: not stack.left(), lambda: f"{', '.join(stack.left())} still there", say, DOWN_WITHIN)
        if stack.own_swarm:
            end()
    (home.lab / RECORD).unlink(missing_ok=True)
    withdraw(home)
