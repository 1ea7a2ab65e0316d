"""Every container is confined: as the files say, as the engine runs them, and as the kernel holds their processes."""

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from tests.docker.container_lab import ContainerLab
from tests.docker.kernel_rights import rights_of, rights_within
from tests.docker.policy import RULES, Confinement, allowed, broken, findings, of_container, of_service

# A service that keeps every rule, and what breaks each.
GOOD: dict[str, Any] = {
    "image": "observability-lab:dev",
    "user": "10001:10001",
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "mem_limit": "134217728",
    "cpus": 0.5,
    "pids_limit": 64,
    "healthcheck": {"test": ["CMD", "true"]},
    "volumes": [{"type": "volume", "source": "data", "target": "/data"}],
}
SPOILED: dict[str, list[dict[str, Any]]] = {
    "non-root": [{"user": "0:0"}, {"user": "root"}, {"user": ""}],
    "read-only root": [{"read_only": False}],
    "no capabilities": [{"cap_drop": []}, {"cap_drop": ["NET_RAW"]}, {"cap_add": ["NET_ADMIN"]}],
    "no-new-privileges": [{"security_opt": []}, {"security_opt": ["no-new-privileges:false"]}],
    "memory limit": [{"mem_limit": "0"}, {"mem_limit": None}],
    "cpu limit": [{"cpus": 0}],
    "pids limit": [{"pids_limit": -1}, {"pids_limit": 0}],
    "healthcheck": [{"healthcheck": {"disable": True}}, {"healthcheck": {"test": ["NONE"]}}, {"healthcheck": {}}],
    "no docker socket": [{"volumes": [{"type": "bind", "source": "/var/run/docker.sock", "target": "/s"}]}],
    "own namespaces": [{"privileged": True}, {"pid": "host"}, {"network_mode": "host"}],
}
# The same as options of `docker create`.
GOOD_OPTIONS = {
    "non-root": ["--user", "10001:10001"],
    "read-only root": ["--read-only"],
    "no capabilities": ["--cap-drop", "ALL"],
    "no-new-privileges": ["--security-opt", "no-new-privileges"],
    "memory limit": ["--memory", "64m"],
    "cpu limit": ["--cpus", "0.5"],
    "pids limit": ["--pids-limit", "64"],
    "healthcheck": ["--health-cmd", "true"],
    "no docker socket": ["--volume", "/var/lib:/data:ro"],
    "own namespaces": [],
}
SPOILED_OPTIONS = {
    "non-root": ["--user", "0"],
    "no capabilities": ["--cap-drop", "ALL", "--cap-add", "NET_RAW"],
    "healthcheck": ["--no-healthcheck"],
    "no docker socket": ["--volume", "/var/run/docker.sock:/s:ro"],
    "own namespaces": ["--pid", "host"],
}

Create = Callable[[list[str]], Confinement]


def test_the_rules_are_all_tried():
    assert RULES.keys() == SPOILED.keys() == GOOD_OPTIONS.keys()
    assert broken(of_service("good", GOOD)) == []


@pytest.mark.parametrize("rule", SPOILED)
def test_a_file_that_breaks_a_rule_is_caught(rule: str):
    for change in SPOILED[rule]:
        assert broken(of_service("bad", GOOD | change)) == [rule]


@pytest.fixture(scope="module")
def create(image: str) -> Iterator[Create]:
    """Makes a container of our image with the options given, never starts it, and reads how it is confined."""
    made: list[str] = []

    def make(options: list[str]) -> Confinement:
        made.append(output("docker", "create", *options, image).strip())
        return of_container(json.loads(output("docker", "inspect", made[-1]))[0])

    yield make
    output("docker", "rm", "-v", *made)


def test_a_container_that_keeps_all_is_let_through(create: Create):
    assert broken(create([option for options in GOOD_OPTIONS.values() for option in options])) == []


@pytest.mark.parametrize("rule", GOOD_OPTIONS)
def test_a_container_that_breaks_a_rule_is_caught(create: Create, rule: str):
    options = {**GOOD_OPTIONS, rule: SPOILED_OPTIONS.get(rule, [])}
    assert broken(create([option for part in options.values() for option in part])) == [rule]


def test_an_exception_is_for_an_image_of_others_alone():
    excuse = [one for one in allowed() if one.rule == "read-only root"][:1]
    assert excuse, "no exception to try"
    others = of_service(excuse[0].service, GOOD | {"image": "somebody/else:1", "read_only": False})
    ours = of_service(excuse[0].service, GOOD | {"read_only": False})
    assert findings([others], excuse) == []
    assert len(findings([ours], excuse)) == 1


@pytest.fixture(scope="module")
def rendered(lab_home: ContainerLab) -> list[Confinement]:
    """Every service of the Compose file, all profiles, as Compose itself reads it."""
    facts = json.loads(lab_home.compose("--profile", "*", "config", "--format", "json"))
    return [of_service(name, service) for name, service in facts["services"].items()]


def test_every_service_of_the_file_is_confined(rendered: list[Confinement], figure: Callable[[str], None]):
    ours = [one for one in rendered if one.ours]
    assert len(ours) >= 6, "api, api-canary, worker, collector, discovery, alerts"
    assert findings(rendered, allowed()) == []
    figure(summary("services of the Compose file", rendered))


def test_every_exception_is_needed(rendered: list[Confinement]):
    by_name = {one.service: one for one in rendered}
    needless = [
        f"{one.service}: {one.rule}"
        for one in allowed()
        if one.service not in by_name or by_name[one.service].ours or one.rule not in broken(by_name[one.service])
    ]
    assert needless == []


def test_every_running_container_is_confined(compose_stack: ContainerLab, figure: Callable[[str], None]):
    containers = [of_container(found) for found in compose_stack.containers() if found["State"]["Running"]]
    assert len([one for one in containers if one.ours]) >= 6, "2 api, worker, collector, discovery, alerts"
    assert findings(containers, allowed()) == []
    figure(summary("running containers", containers))


def test_the_kernel_holds_every_process_without_rights(compose_stack: ContainerLab):
    """Not only what the engine was asked for."""
    excused = {one.service for one in allowed() if one.rule in {"non-root", "no capabilities"}}
    held = {of_container(one).service: rights_within(one) for one in compose_stack.containers()}
    assert {"api", "worker", "collector", "discovery", "alerts"} <= {
        name for name, processes in held.items() if processes
    }
    assert [one for name, processes in held.items() if name not in excused for one in processes if one.any] == []
    assert rights_of(psutil.Process()).any, "the control: nobody confined this process"


def summary(what: str, containers: list[Confinement]) -> str:
    ours = [one for one in containers if one.ours]
    good = [one for one in ours if not broken(one)]
    excused = sum(len(broken(one)) for one in containers if not one.ours)
    return (
        f"policy, {what}: {len(good)} of our {len(ours)} keep all {len(RULES)} rules; "
        f"{len(containers) - len(ours)} of others with {excused} exceptions"
    )


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
