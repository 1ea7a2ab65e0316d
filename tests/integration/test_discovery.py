"""`python -m app.discovery` with real replicas, a name server that a test can misuse, and the real Traefik."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
import pytest

from labkit.stack import spawn
from labkit.stack.entry import rendered
from labkit.stack.obtain import SOURCES
from tests.eventually import eventually
from tests.integration.stack_folder import ROOT, StackFolder
from tests.integration.test_stack_edge import Replica
from tests.service import free_ports

LARGEST = 25e6


class Discovery:
    """The process, told of the replicas behind localhost and another name."""

    def __init__(self, stack: ExitStack, port: int, stable: str, canary: str, weight: int = 0) -> None:
        self.port = port
        env = {"LAB_EDGE_STABLE": stable, "LAB_EDGE_CANARY": canary, "LAB_EDGE_WEIGHT": str(weight)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app.discovery"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "LAB_METRICS_PORT": str(port), **env},
            stdout=subprocess.DEVNULL,
        )
        stack.callback(self.end)

    def ask(self, path: str, method: str = "GET") -> tuple[int, Any]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request(method, path)
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())
        except OSError:
            return 0, None
        finally:
            connection.close()

    def listed(self, pool: str = "stable") -> list[str]:
        """Return the ports of a pool's replicas, [] when Traefik is told of none."""
        _, document = self.ask("/traefik")
        service = (document or {}).get("http", {}).get("services", {}).get(pool, {})
        return [one["url"].rpartition(":")[2] for one in service.get("loadBalancer", {}).get("servers", [])]

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=10)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def replica(stack: ExitStack, port: int) -> Replica:
    one = Replica(port)
    stack.callback(one.close)
    return one


def test_it_tells_of_a_replica_once_that_is_ready_and_keeps_the_last_one(stack: ExitStack) -> None:
    port, stable, canary = free_ports(3)
    discovery = Discovery(stack, port, f"localhost:{stable}", f"localhost:{canary}", weight=10)
    eventually(lambda: discovery.ask("/readyz")[0] == 200, within=20, what="it has asked once")
    assert discovery.ask("/healthz") == (200, {"status": "ok"})
    assert discovery.ask("/traefik")[0] == 503, "what Traefik knows stays while nothing is known here"

    first = replica(stack, stable)
    eventually(lambda: discovery.listed() == [str(stable)], within=10, what="the replica is told of")
    assert discovery.listed("canary") == []
    second = Replica(canary)
    eventually(lambda: discovery.listed("canary") == [str(canary)], within=10, what="and the canary")
    second.close()
    eventually(lambda: discovery.listed("canary") == [], within=10, what="a canary that is gone is not")

    asked = len(first.connections)
    first.ready = False
    eventually(lambda: len(first.connections) > asked + 4, within=20, what="it goes on asking")
    assert discovery.listed() == [str(stable)], "the last replica stays"
    assert psutil.Process(discovery.process.pid).memory_info().rss < LARGEST
    assert discovery.end() == 0


def test_odd_questions_are_answered_and_hurt_nobody(stack: ExitStack) -> None:
    port, stable = free_ports(2)
    replica(stack, stable)
    discovery = Discovery(stack, port, f"localhost:{stable}", "")
    eventually(lambda: discovery.listed() == [str(stable)], within=20)
    assert discovery.ask("/nothing")[0] == 404
    assert discovery.ask("/traefik", "POST")[0] == 405
    silent = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(50)]
    for text in (b"\r\n\r\n", b"x" * 20_000, b"GET\r\n\r\n", b"\xff\x00 \xff\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as odd:
            odd.sendall(text)
            assert b"200" not in odd.recv(64)
    assert discovery.listed() == [str(stable)]
    assert len(silent) == 50


def test_a_wrong_setting_and_a_port_in_use_are_named(stack: ExitStack) -> None:
    (port,) = free_ports(1)
    replica(stack, port)
    for given, fact in (({}, "cannot be listened on"), ({"LAB_EDGE_STABLE": "api"}, "LAB_EDGE_STABLE='api'")):
        environment = {"PATH": os.environ["PATH"], "LAB_METRICS_PORT": str(port), **given}
        done = subprocess.run(
            [sys.executable, "-m", "app.discovery"],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 2
        assert fact in done.stderr
        assert "Traceback" not in done.stderr


def traefik(stack: ExitStack, tmp_path: Path, discovery: int) -> int:
    """Start Traefik as containers do, but for the addresses; return the port of its edge."""
    folder, (web, metrics) = StackFolder(tmp_path), free_ports(2)
    program = SOURCES["traefik"].find(folder.home)
    assert program is not None
    static = tmp_path / "traefik.yml"
    replace = {
        '":8080"': f'"127.0.0.1:{web}"',
        '":8082"': f'"127.0.0.1:{metrics}"',
        "/etc/traefik/dynamic.yml": str(ROOT / "traefik" / "dynamic.yml"),
        "discovery:9100": f"127.0.0.1:{discovery}",
    }
    static.write_text(rendered(ROOT / "traefik" / "traefik.yml", replace))
    env = spawn.environment(os.environ, {}, folder.temporary)
    process = spawn.start([str(program.path), f"--configfile={static}"], env, tmp_path / "traefik.log", tmp_path)
    stack.callback(process.wait, timeout=10)
    stack.callback(process.terminate)
    return web


def ask(port: int) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/x")
        reply = connection.getresponse()
        reply.read()
        return reply.status
    except OSError:
        return 0
    finally:
        connection.close()


def test_traefik_follows_it_and_goes_on_without_it(stack: ExitStack, tmp_path: Path) -> None:
    port, stable, canary = free_ports(3)
    first, second = replica(stack, stable), replica(stack, canary)
    discovery = Discovery(stack, port, f"localhost:{stable}", f"localhost:{canary}", weight=30)
    edge = traefik(stack, tmp_path, port)

    def split() -> tuple[int, int]:
        before = len(first.got), len(second.got)
        assert {ask(edge) for _ in range(100)} == {200}
        return len(first.got) - before[0], len(second.got) - before[1]

    eventually(lambda: ask(edge) == 200, within=40, what="the edge knows a replica")
    eventually(lambda: split() == (70, 30), within=20, what="three in ten to the canary")
    discovery.process.kill()
    discovery.process.wait()
    assert split() == (70, 30), "discovery is no part of the way"
    Discovery(stack, port, f"localhost:{stable}", f"localhost:{canary}", weight=0)
    eventually(lambda: split() == (100, 0), within=40, what="the new weight")
