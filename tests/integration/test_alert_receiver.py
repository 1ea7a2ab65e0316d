"""The receiver as a process, and `lab alerts` on what it wrote."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from labkit.alerts.notifications import read
from tests.eventually import eventually
from tests.integration.stack_folder import LAB, ROOT
from tests.integration.test_stack_supervisor import free_port
from tests.unit.test_alert_notifications import alert, body


class Receiver:
    """A receiver that runs: its address, its folder, its process."""

    def __init__(self, folder: Path, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.folder, self.process, self.port = folder, process, port
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False)

    def told(self) -> list[tuple[str, str]]:
        return [(one.alert, one.state) for one in read(self.folder)]


@contextmanager
def receiver(folder: Path, *, silence: float = 60, grace: float = 180) -> Iterator[Receiver]:
    port = free_port()
    command = [sys.executable, "-m", "labkit.alerts", "--port", str(port), "--folder", str(folder)]
    limits = ["--watchdog-seconds", str(silence), "--grace-seconds", str(grace)]
    with ExitStack() as stack:
        log = stack.enter_context((folder.parent / "receiver.log").open("ab"))
        process = subprocess.Popen([*command, *limits], cwd=ROOT, stdout=log, stderr=log)
        stack.callback(process.wait, 10)
        stack.callback(process.terminate)
        found = Receiver(folder, process, port)
        stack.callback(found.client.close)
        eventually(lambda: found.client.get("/healthz").status_code == 200, what="the receiver answers")
        yield found


def answered(port: int, request: bytes) -> int:
    """Send bytes as they are; return the status of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        peer.sendall(request)
        return int(peer.makefile("rb").readline().split()[1])


def test_a_notification_is_kept_once_also_over_a_restart(tmp_path: Path) -> None:
    for _ in range(2):
        with receiver(tmp_path / "alerts") as one:
            for _ in range(2):
                assert one.client.post("/webhook", content=body(alert(), alert("EdgeDown"))).status_code == 200
    assert one.told() == [("ServiceDown", "firing"), ("EdgeDown", "firing")]
    assert one.process.returncode == 0


def test_garbage_is_refused_and_survived(tmp_path: Path) -> None:
    with receiver(tmp_path / "alerts") as one:
        assert one.client.post("/webhook", content=b"{").status_code == 400
        for head, status in (
            (b"Transfer-Encoding: chunked", 411),
            (b"Content-Length: -5", 411),
            (b"Content-Length: 1099511627776", 413),
        ):
            assert answered(one.port, b"POST /webhook HTTP/1.1\r\n" + head + b"\r\n\r\n") == status
        assert one.client.post("/elsewhere", content=body(alert())).status_code == 404
        assert one.client.get("/webhook").status_code == 404
        for raw in (
            b"\x00" * 70_000,
            b"GET / HTTP/9.9\r\n\r\n",
            b"POST /webhook HTTP/1.1\r\nContent-Length: 9\r\n\r\nx",
        ):
            with socket.create_connection(("127.0.0.1", one.port)) as peer:
                peer.sendall(raw)
        assert one.client.post("/webhook", content=body(alert())).status_code == 200
        assert one.told() == [("ServiceDown", "firing")]


def test_callers_that_hang_hold_nobody_up(tmp_path: Path) -> None:
    with receiver(tmp_path / "alerts") as one, ExitStack() as hanging:
        for _ in range(50):
            peer = hanging.enter_context(socket.create_connection(("127.0.0.1", one.port)))
            peer.sendall(b"POST /webhook HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        assert one.client.post("/webhook", content=body(alert())).status_code == 200
        assert one.told() == [("ServiceDown", "firing")]


def test_it_stays_small(tmp_path: Path) -> None:
    with receiver(tmp_path / "alerts") as one:
        for number in range(200):
            text = body(*(alert(f"Alert{number}-{part}") for part in range(10)))
            assert one.client.post("/webhook", content=text).status_code == 200
        assert psutil.Process(one.process.pid).memory_info().rss < 20e6


def test_what_cannot_be_written_is_asked_for_again(tmp_path: Path) -> None:
    """A full disk, played by a folder in the file's place: the next try, when there is room again, is kept."""
    in_the_way = tmp_path / "alerts" / "notifications.jsonl"
    with receiver(tmp_path / "alerts") as one:
        in_the_way.mkdir()
        assert one.client.post("/webhook", content=body(alert())).status_code == 500
        in_the_way.rmdir()
        assert one.client.post("/webhook", content=body(alert())).status_code == 200
        assert one.told() == [("ServiceDown", "firing")]


def test_silence_is_noticed_and_so_is_its_end(tmp_path: Path) -> None:
    with receiver(tmp_path / "alerts", silence=1.0) as one:
        one.client.post("/webhook", content=body(alert("Watchdog")))
        assert one.told() == [], "a heartbeat is no news"
        eventually(lambda: one.told() == [("MonitoringSilent", "firing")], what="silence is told")
        assert one.client.get("/healthz").json()["silent"] is True
        one.client.post("/webhook", content=body(alert("Watchdog")))
        eventually(lambda: ("MonitoringSilent", "resolved") in one.told(), what="its end is told")


def test_a_watchdog_that_never_came_is_noticed_after_a_grace(tmp_path: Path) -> None:
    with receiver(tmp_path / "alerts", grace=1.0) as one:
        eventually(lambda: one.told() == [("MonitoringSilent", "firing")], what="silence is told")


def lab_alerts(folder: Path, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run `lab alerts` against another deployment: nothing of a stack of this machine is asked."""
    own = {
        "LAB_HOME": str(folder / ".lab"),
        "LAB_SERVICE_URL": "http://127.0.0.1:9",
        "LAB_ALERTS_FILE": str(folder / "alerts" / "notifications.jsonl"),
        "LAB_PROMETHEUS_URL": "http://127.0.0.1:9",
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LAB_")} | own | more
    return subprocess.run(
        [LAB, "alerts", *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_lab_alerts_lists_what_was_told_and_says_what_it_does_not_know(tmp_path: Path) -> None:
    with receiver(tmp_path / "alerts") as one:
        one.client.post("/webhook", content=body(alert("EdgeDown") | {"startsAt": "2026-11-21T10:00:00Z"}))
    done = lab_alerts(tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    assert [found["alert"] for found in facts["notifications"]] == ["EdgeDown"]
    assert facts["now"] is None
    assert "Prometheus at http://127.0.0.1:9 did not answer" in facts["problem"]
    shown = lab_alerts(tmp_path)
    assert "EdgeDown" in shown.stdout
    assert "no fault marked before it" in shown.stdout
    assert "next: lab status" in shown.stderr


def test_lab_alerts_follows_what_comes(tmp_path: Path) -> None:
    with receiver(tmp_path / "alerts") as one, ExitStack() as stack:
        one.client.post("/webhook", content=body(alert("EdgeDown")))
        output = stack.enter_context((tmp_path / "out").open("w"))
        environment = os.environ | {
            "LAB_HOME": str(tmp_path / ".lab"),
            "LAB_SERVICE_URL": "http://127.0.0.1:9",
            "LAB_ALERTS_FILE": str(tmp_path / "alerts" / "notifications.jsonl"),
            "LAB_PROMETHEUS_URL": "http://127.0.0.1:9",
        }
        command = [str(LAB), "alerts", "--follow", "--json"]
        process = subprocess.Popen(command, env=environment, stdout=output)
        stack.callback(process.wait, 10)
        stack.callback(process.terminate)

        def seen() -> list[str]:
            return [json.loads(line)["alert"] for line in (tmp_path / "out").read_text().splitlines()]

        eventually(lambda: seen() == ["EdgeDown"], within=30, what="what was there is shown")
        one.client.post("/webhook", content=body(alert("ServiceDown")))
        eventually(lambda: seen() == ["EdgeDown", "ServiceDown"], within=30, what="what comes is shown")


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        ((), {"LAB_SERVICE_URL": "", "LAB_ALERTS_FILE": "", "LAB_PROMETHEUS_URL": ""}, "no stack is up here"),
        ((), {"LAB_ALERTS_FILE": ""}, "no receiver of notifications is known here"),
        (("--since", "yesterday"), {}, "--since yesterday"),
    ],
)
def test_lab_alerts_says_why_it_cannot(
    tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], says: str
) -> None:
    done = lab_alerts(tmp_path, *arguments, **environment)
    assert done.returncode == 2
    assert says in done.stderr
    assert "next:" in done.stderr or "write a length of time" in done.stderr
