"""`python -m app`: one image, several commands, and the question of its healthcheck."""

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.health import PLACES, main
from app.health_server import HealthServer
from app.telemetry.metrics import Metrics

ROOT = Path(__file__).parents[2]
COMMANDS = ("api", "worker", "collector", "discovery", "train", "alerts", "health")


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_lists_every_command_and_gives_an_example():
    shown = run("--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "example:" in shown.stdout
    assert tuple(re.findall(r"^  ([a-z]+)  +\S", shown.stdout, re.MULTILINE)) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_tells_what_it_does(command):
    shown = run(command, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert command in shown.stdout


@pytest.mark.parametrize("arguments", [(), ("apis",), ("--port",), ("api", "--port", "1"), ("health", "readyz")])
def test_wrong_usage_is_told_in_one_line(arguments):
    refused = run(*arguments)
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1


def test_a_wrong_setting_of_a_service_is_told_by_the_service():
    refused = run("api", LAB_API_PORT="none")
    assert refused.returncode == 2
    assert refused.stderr.startswith("app.api: LAB_API_PORT='none'")


@contextmanager
def service(state: str) -> Iterator[int]:
    """A service of ours whose one dependency is in this state; yields its port."""
    with HealthServer("127.0.0.1", 0, Metrics(), lambda: {"kafka": state}) as server:
        yield server.port


def silent_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def test_health_is_what_the_first_service_that_listens_says(capsys):
    nobody = f"{silent_port()}/readyz"
    with service("ok") as well, service("down") as unwell:
        assert main([f"{well}/readyz"]) == 0
        assert main([nobody, f"{well}/readyz", f"{unwell}/readyz"]) == 0
        assert capsys.readouterr().err == ""
        assert main([nobody, f"{unwell}/readyz", f"{well}/readyz"]) == 1
        assert f"port {unwell} answers /readyz with 503" in capsys.readouterr().err
    assert main([nobody]) == 1
    assert "nothing listens" in capsys.readouterr().err


def test_who_listens_and_does_not_speak_is_not_healthy(capsys):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer() -> None:
            with listener.accept()[0] as peer:
                peer.recv(1000)
                peer.sendall(b"SSH-2.0\r\n")

        speaker = threading.Thread(target=answer)
        speaker.start()
        assert main([f"{port}/readyz"]) == 1
        speaker.join()
    assert "no HTTP: b'SSH-2.0" in capsys.readouterr().err


def test_asking_leaves_no_trace_in_the_log_of_the_service(capfd):
    """A client that goes before the answer is whole would be reported by the server, every few seconds for ever."""
    with service("ok") as port:
        for _ in range(20):
            assert main([f"{port}/readyz"]) == 0
    assert capfd.readouterr().err == ""


def test_the_healthcheck_loads_nothing_heavy():
    """It runs every few seconds in every container."""
    command = [sys.executable, "-X", "importtime", "-m", "app", "health", f"{silent_port()}/readyz"]
    asked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert asked.returncode == 1
    loaded = {line.split("|")[-1].strip() for line in asked.stderr.splitlines() if line.startswith("import time:")}
    assert "app.health" in loaded
    assert not loaded & {"msgspec", "numpy", "asyncio", "http.client", "app.config"}


def test_the_healthcheck_asks_the_ports_that_the_image_sets():
    text = (ROOT / "Dockerfile").read_text()
    found = {name: re.findall(rf"LAB_{name}_PORT=(\d+)", text) for name in ("API", "METRICS")}
    assert [place.split("/")[0] for place in PLACES[:2]] == [*found["API"], *found["METRICS"]]


def test_the_receiver_of_alerts_needs_the_standard_library_alone():
    """The image holds it without any other part of the lab."""
    code = "import sys; sys.path.insert(0, '.'); import labkit.alerts.__main__; print(*sorted(sys.modules))"
    alone = [sys.executable, "-I", "-S", "-c", code]
    shown = subprocess.run(alone, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout.split()
    ours = {name for name in shown if name.startswith("labkit")}
    wanted = ("", ".alerts", ".alerts.__main__", ".alerts.notifications", ".alerts.receiver", ".alerts.switch")
    assert ours == {f"labkit{name}" for name in wanted}
