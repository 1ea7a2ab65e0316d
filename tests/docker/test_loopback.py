"""A default start serves this machine alone: nothing of it listens, or answers, beyond loopback."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from labkit.stack.ports import SPAN
from tests.docker import standins
from tests.docker.container_lab import ContainerLab
from tests.docker.listeners import Outside, beyond_loopback, listening_of, outside
from tests.eventually import eventually
from tests.integration.stack_folder import StackFolder
from tests.service import free_ports


@pytest.fixture
def neighbour() -> Iterator[Outside]:
    if os.geteuid() != 0:
        pytest.skip("a second network namespace needs root")
    with outside() as found:
        yield found


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackFolder]:
    """What `lab up` starts without a word: processes, no container."""
    stack = StackFolder(tmp_path_factory.mktemp("embedded"))
    started = stack.lab("up")
    assert started.returncode == 0, started.stderr
    yield stack
    stack.lab("down")


@pytest.fixture
def open_to_all(stack_images: list[str]) -> Iterator[int]:
    """The port of a container published as Docker does when nobody says where: on every address."""
    [port] = free_ports(1)
    image = next(f"{name}:{tags[0]}" for name, tags in standins.pinned().items() if name == "traefik/whoami")
    started = subprocess.run(
        ["docker", "run", "-d", "--publish", f"{port}:80", image], capture_output=True, text=True, check=True
    ).stdout.strip()
    yield port
    subprocess.run(["docker", "rm", "-f", "-v", started], capture_output=True, check=True)


def published(containers: list[dict[str, Any]]) -> dict[int, set[str]]:
    """Return the ports that containers have on this machine, each with the addresses it is on."""
    found: dict[int, set[str]] = {}
    for container in containers:
        for ports in container["NetworkSettings"]["Ports"].values():
            for port in ports or ():
                found.setdefault(int(port["HostPort"]), set()).add(port["HostIp"])
    return found


def test_every_port_of_the_file_is_on_loopback(lab_home: ContainerLab):
    facts = json.loads(lab_home.compose("--profile", "*", "config", "--format", "json"))
    ports = [
        (name, port.get("published"), port.get("host_ip"))
        for name, service in facts["services"].items()
        for port in service.get("ports", ())
    ]
    assert len(ports) >= 8
    assert [port for port in ports if port[2] != "127.0.0.1"] == []


def test_the_stack_listens_on_loopback_alone(compose_stack: ContainerLab):
    ports = published(compose_stack.containers())
    assert len(ports) >= 5
    assert {address for addresses in ports.values() for address in addresses} == {"127.0.0.1"}
    assert beyond_loopback({*ports, *range(compose_stack.base, compose_stack.base + SPAN)}) == []


def test_a_neighbour_gets_no_answer(compose_stack: ContainerLab, neighbour: Outside, figure: Callable[[str], None]):
    base = compose_stack.base
    tried = {*published(compose_stack.containers()), *range(base, base + SPAN)}
    assert neighbour.answering(tried) == []
    figure(f"loopback: {len(tried)} ports of the stack tried from a second network namespace, 0 answered")


def test_the_embedded_stack_is_for_this_machine_alone(embedded: StackFolder, neighbour: Outside):
    ports = {*listening_of(json.loads(embedded.lab("urls", "--json").stdout)["pids"].values())}
    assert len(ports) >= 8
    assert beyond_loopback(ports) == []
    assert neighbour.answering({*ports, *range(embedded.base, embedded.base + SPAN)}) == []


def test_a_port_published_to_all_is_found_both_ways(open_to_all: int, neighbour: Outside):
    """The control of the two tests above."""
    eventually(lambda: beyond_loopback([open_to_all]))
    assert eventually(lambda: neighbour.answering([open_to_all]))
