"""The `lab` command with the real servers and the real service; with Kafka: test_stack_kafka.py."""

import json
import os
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.eventually import eventually
from tests.integration.stack_folder import LAB, StackFolder, row, running


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[StackFolder]:
    """A state folder in a path with a space; whatever a test leaves running is stopped."""
    folder = tmp_path / "a clone"
    folder.mkdir()
    stack = StackFolder(folder)
    yield stack
    stack.lab("down")


CORE = ("--profile", "core")  # quick to start; what is tested here is the same for all profiles


def up(stack: StackFolder, **environment: str) -> dict[str, Any]:
    done = stack.lab("up", *CORE, "--json", **environment)
    assert done.returncode == 0, done.stderr
    urls: dict[str, Any] = json.loads(done.stdout)
    return urls


def status(stack: StackFolder) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(stack.lab("status", "--json").stdout)
    return facts


def answer(url: str) -> str:
    with urlopen(url, timeout=5) as reply:
        text: str = reply.read().decode()
        return text


def test_up_then_everything_answers_and_down_leaves_nothing(stack: StackFolder) -> None:
    urls = up(stack)
    assert (urls["engine"], urls["edge"]) == ("process", "traefik")
    assert len(urls["replicas"]) == len(urls["metrics"]) == 2
    assert (urls["kafka"], urls["redis_jobs"], urls["workers"], urls["gelf"]) == (None, None, [], None)
    for url in (urls["service"], *urls["replicas"]):
        assert json.loads(answer(f"{url}/models"))["models"]
    assert "http_requests_total" in answer(urls["metrics"][0])
    assert json.loads(stack.lab("urls", "--json").stdout) == urls

    seen = status(stack)
    assert seen["up"]
    names = ["redis", "api-1", "api-2", "traefik", "prometheus", "alertmanager", "alerts"]
    assert {part["name"]: part["state"] for part in seen["components"]} == dict.fromkeys(
        ["supervisor", "guard", *names], "ready"
    )
    assert 0 < seen["total_pss"] <= 650e6, "the whole stack after its start"
    key = Path(urls["api_key_file"])
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_text().strip()) >= 32

    for arguments in ((), CORE):
        again = stack.lab("up", *arguments)
        assert again.returncode == 0
        assert "already up" in again.stdout
    assert json.loads(stack.lab("urls", "--json").stdout)["pids"] == urls["pids"]

    assert stack.lab("down").returncode == 0
    assert running([part["pid"] for part in seen["components"]]) == []
    assert stack.listening() == []
    assert list(stack.temporary.iterdir()) == []
    assert not stack.home.run.exists()
    assert stack.lab("status").returncode == 1
    assert "no stack is up" in stack.lab("urls").stderr


def test_prometheus_sees_every_replica_once_up_returns(stack: StackFolder) -> None:
    urls = up(stack)
    result = json.loads(answer(f"{urls['prometheus']}/api/v1/query?query=up"))["data"]["result"]
    seen = {(part["metric"]["job"], part["metric"]["replica"]): part["value"][1] for part in result}
    assert seen[("api", "api-1")] == seen[("api", "api-2")] == "1"
    eventually(
        lambda: "traefik_entrypoint_requests_total" in answer(f"{urls['prometheus']}/api/v1/label/__name__/values"),
        within=15,
        what="the edge's own metrics are scraped",
    )


def test_prometheus_has_the_rules_and_sends_to_alertmanager(stack: StackFolder) -> None:
    urls = up(stack)
    groups = json.loads(answer(f"{urls['prometheus']}/api/v1/rules"))["data"]["groups"]
    files = {Path(group["file"]).name for group in groups}
    assert files == {path.name for path in (stack.home.root / "monitoring" / "prometheus" / "rules").glob("*.yml")}

    def senders() -> list[str]:
        found = json.loads(answer(f"{urls['prometheus']}/api/v1/alertmanagers"))["data"]["activeAlertmanagers"]
        return [one["url"] for one in found]

    eventually(lambda: senders() == [f"{urls['alertmanager']}/api/v2/alerts"], within=15, what="Alertmanager is found")
    eventually(
        lambda: json.loads(answer(f"http://127.0.0.1:{stack.base + 88}/healthz"))["watchdog_age_s"] is not None,
        within=60,
        what="the alert that always fires arrives at the receiver",
    )


def test_a_killed_server_returns_by_itself(stack: StackFolder) -> None:
    pids = up(stack)["pids"]
    for name in ("redis", "api-1"):
        os.kill(pids[name], signal.SIGKILL)
    seen = eventually(lambda: (facts := status(stack))["up"] and facts, within=60, what="all is ready again")
    for name in ("redis", "api-1"):
        assert row(seen, name)["restarts"] == 1
        assert row(seen, name)["last_exit"] == "killed by SIGKILL"
    fresh = json.loads(stack.lab("urls", "--json").stdout)["pids"]
    assert fresh["redis"] == row(seen, "redis")["pid"] != pids["redis"]
    assert fresh["api-2"] == pids["api-2"]


def test_a_killed_supervisor_leaves_no_process_and_no_port(stack: StackFolder) -> None:
    pids = up(stack)["pids"]
    os.kill(pids["supervisor"], signal.SIGKILL)
    eventually(lambda: running(list(pids.values())) == [], within=20, what="all processes have ended")
    eventually(lambda: stack.listening() == [], within=20, what="all ports are free")
    assert stack.lab("down").returncode == 0
    up(stack)


def test_a_busy_port_is_one_line_with_component_holder_and_next_step(stack: StackFolder) -> None:
    port = stack.base + 79
    with socket.create_server(("127.0.0.1", port)):
        done = stack.lab("up", *CORE)
        doctor = stack.lab("doctor")
    assert done.returncode == 2
    line = done.stderr.splitlines()[-1]
    assert line.startswith(f"lab: port {port} (redis) is taken by ")
    assert f"pid {os.getpid()}" in line
    assert f"next: LAB_PORT_BASE={stack.base + 1000} lab up" in line
    assert doctor.returncode == 1
    assert f"port {port} (redis) is taken" in doctor.stdout


def test_two_stacks_run_side_by_side_and_the_first_is_named_as_holder(stack: StackFolder, tmp_path: Path) -> None:
    first = up(stack, EDGE="none")
    other = StackFolder(tmp_path / "second")
    try:
        refused = other.lab("up", *CORE, EDGE="none", LAB_PORT_BASE=str(stack.base))
        assert refused.returncode == 2
        project = stack.home.lab.parent
        assert f"`lab down` in {project}" in refused.stderr
        second = up(other, EDGE="none")
        assert first["service"] != second["service"]
        for urls in (first, second):
            assert answer(f"{urls['service']}/readyz")
        other.lab("down")
        assert status(stack)["up"]
    finally:
        other.lab("down")


def test_without_an_edge_every_command_says_so(stack: StackFolder) -> None:
    done = stack.lab("up", *CORE, EDGE="none")
    assert done.returncode == 0, done.stderr
    for text in (done.stdout, *(stack.lab(name).stdout for name in ("status", "urls", "doctor"))):
        assert "no edge: one api process" in text
    urls = json.loads(stack.lab("urls", "--json").stdout)
    assert urls["edge"] == "none"
    assert urls["replicas"] == [urls["service"]]
    other = stack.lab("up", *CORE, EDGE="traefik")
    assert other.returncode == 2
    assert "EDGE=none, not traefik" in other.stderr
    profile = stack.lab("up", "--profile", "cluster")
    assert profile.returncode == 2
    assert "with the profile core, not cluster; next: lab down" in profile.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_start_cleans_up(stack: StackFolder, number: signal.Signals, code: int) -> None:
    with subprocess.Popen([LAB, "up", *CORE], env=stack.environment(), stderr=subprocess.PIPE, text=True) as command:
        assert command.stderr is not None
        for line in command.stderr:
            if "api-1: starting" in line:
                break
        command.send_signal(number)
        rest = command.stderr.read()
    assert command.returncode == code
    assert "Traceback" not in rest
    assert stack.listening() == []
    assert not stack.home.run.exists()


def test_a_service_that_cannot_start_is_one_line_and_stops_the_rest(stack: StackFolder) -> None:
    """The api's metrics port is taken by something that the check before the start cannot know of: a race."""
    # The port is bound only after the check: by a listener that the test opens when redis is up.
    with subprocess.Popen([LAB, "up", *CORE], env=stack.environment(), stderr=subprocess.PIPE, text=True) as command:
        assert command.stderr is not None
        for line in command.stderr:
            if "redis: starting" in line:
                break
        with socket.create_server(("127.0.0.1", stack.base + 101)):
            rest = command.stderr.read()
    assert command.returncode == 2
    last = rest.splitlines()[-1]
    assert last.startswith("lab: api-1 crashed (exit code 2): "), rest
    assert last.endswith("; next: lab logs api-1")
    assert stack.listening() == []


def test_logs_and_doctor_tell_what_happened(stack: StackFolder) -> None:
    up(stack, EDGE="none")
    assert len(stack.lab("logs", "redis", "-n", "3").stdout.splitlines()) == 3
    unknown = stack.lab("logs", "nobody")
    assert unknown.returncode == 2
    assert "there are: alertmanager, alerts, api-1, prometheus, redis, supervisor" in unknown.stderr
    facts = json.loads(stack.lab("doctor", "--json").stdout)
    programs = {part["name"]: part for part in facts["programs"]}
    for name in ("redis-server", "prometheus", "alertmanager"):
        assert programs[name]["version"]
        assert Path(programs[name]["path"]).is_file()
        assert programs[name]["origin"]
    assert facts["good"]
    assert facts["stack"]["total_pss"] > 0


def test_doctor_says_what_would_be_done_for_a_missing_program(stack: StackFolder) -> None:
    stack.home.cache.unlink()
    facts = json.loads(stack.lab("doctor", "--json", PATH="/nowhere").stdout)
    prometheus = next(part for part in facts["programs"] if part["name"] == "prometheus")
    assert prometheus["version"] is None
    assert "https://prometheus.io/download" in prometheus["origin"]
    done = stack.lab("up", *CORE, PATH="/nowhere")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("lab: prometheus cannot be obtained (")
    assert not stack.home.run.exists()


def test_two_commands_cannot_start_the_same_stack_at_once(stack: StackFolder) -> None:
    with subprocess.Popen([LAB, "up", *CORE], env=stack.environment(), stderr=subprocess.PIPE, text=True) as first:
        assert first.stderr is not None
        assert first.stderr.readline()
        second = stack.lab("up", *CORE)
        first.stderr.read()
    assert first.returncode == 0
    assert second.returncode == 2
    assert "another `lab` command works in" in second.stderr


def test_a_wrong_port_base_is_one_line(stack: StackFolder) -> None:
    done = stack.lab("up", *CORE, LAB_PORT_BASE="eighty")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "lab: LAB_PORT_BASE is 'eighty'; it must be a whole number from 1024 to 65135; next: LAB_PORT_BASE=19000 lab up"
    ]


@pytest.mark.parametrize("cycles", [3, pytest.param(20, marks=[pytest.mark.faults, pytest.mark.timeout(900)])])
def test_cycles_of_up_and_down_leave_nothing(stack: StackFolder, cycles: int) -> None:
    pids: list[int] = []
    for _ in range(cycles):
        pids += up(stack)["pids"].values()
        assert stack.lab("down").returncode == 0
    assert running(pids) == []
    assert stack.listening() == []
    assert list(stack.temporary.iterdir()) == []
    assert sorted(path.name for path in stack.home.lab.iterdir()) == [
        "cache", "data", "lock", "logs", "runs", "secrets",
    ]  # fmt: skip
