"""What a student runs beside the stack: real processes out of a Procfile, and nothing left of them."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from labkit.course import processes
from labkit.course.manifest import Lab
from labkit.course.processes import kill_served, procfile, serve, served, stop_processes, stop_served
from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.ports import free
from labkit.urls import Urls
from tests.integration.stack_folder import LAB, ROOT, free_base, quiet

LISTENER = """import socket, sys, time
kind = socket.SOCK_DGRAM if sys.argv[1] == "udp" else socket.SOCK_STREAM
listener = socket.socket(type=kind)
listener.bind(("127.0.0.1", int(sys.argv[2])))
if kind == socket.SOCK_STREAM:
    listener.listen()
time.sleep(60)
"""
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"


@dataclass(frozen=True)
class Desk:
    """A work folder, and a lab whose processes may have the ports from 320 above the base."""

    lab: Lab
    folder: Path
    home: Home
    base: int

    def write(self, *lines: str) -> None:
        (self.folder / "Procfile").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def serve(self, only: str | None = None, urls: Urls | None = None) -> list[processes.Served]:
        return serve(self.lab, self.folder, self.home, urls, self.base, only, quiet)

    def port(self, number: int) -> int:
        return self.base + 320 + number


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    folder = tmp_path / "work" / "02-route-with-traefik"
    folder.mkdir(parents=True)
    (folder / "listen.py").write_text(LISTENER, encoding="utf-8")
    (folder / "stubborn.py").write_text(STUBBORN, encoding="utf-8")
    lab = Lab("02-route-with-traefik", "", "", "core", 1, 1, 1, (), (), ports=(320, 339))
    home = Home(ROOT, tmp_path / ".lab")
    yield Desk(lab, folder, home, free_base())
    stop_processes(home, quiet)


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def eventually(claim: Callable[[], bool], within: float = 10) -> None:
    end = time.monotonic() + within
    while not claim():
        assert time.monotonic() < end, "not so in time"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "lists no process"),
        ("# web: sleep 60\n", "lists no process"),
        ("web sleep 60\n", "line 1: 'web sleep 60' is no"),
        ("a: sleep 60\nweb:\n", "line 2: 'web:' is no"),
        ("we b: sleep 60\n", "is no `name: command`"),
        ("../web: sleep 60\n", "is no `name: command`"),
        ("web: sleep 60\nweb: sleep 61\n", "line 2: there is a 'web' already"),
    ],
)
def test_a_procfile_that_cannot_be_followed_is_refused_with_its_line(desk, text, word):
    desk.write(text)
    with pytest.raises(CannotRun, match=word):
        desk.serve()
    assert served(desk.lab, desk.home) == []


def test_a_procfile_that_is_missing_or_no_text_is_refused_with_the_next_step(desk):
    with pytest.raises(CannotRun, match=r"cannot be read.*next: lab start 02"):
        desk.serve()
    (desk.folder / "Procfile").write_bytes(b"web: \xff\n")
    with pytest.raises(CannotRun, match="is not UTF-8"):
        desk.serve()


def test_comments_and_colons_in_commands_are_read_as_meant(desk):
    desk.write("# two of them", "", "  one_1: echo a:b  # c", "two-2:sleep 60")
    assert procfile(desk.folder) == {"one_1": "echo a:b  # c", "two-2": "sleep 60"}


def test_serve_returns_when_all_ports_are_listened_on_tcp_and_udp(desk):
    desk.write(f"web: python listen.py tcp {desk.port(0)}", f"sink: python listen.py udp {desk.port(1)}")
    started = desk.serve()
    assert [one.name for one in started] == ["web", "sink"]
    socket.create_connection(("127.0.0.1", desk.port(0)), 1).close()
    with socket.socket(type=socket.SOCK_DGRAM) as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", desk.port(1)))
    assert stop_served(desk.lab, desk.home, None, quiet)
    assert free(desk.port(0))
    assert not any(runs(one.process.pid) for one in started)
    assert not stop_served(desk.lab, desk.home, None, quiet), "nothing is left to stop"


def test_a_port_in_a_comment_is_waited_for_when_the_command_takes_it_from_a_file(desk):
    (desk.folder / "slow.py").write_text(
        f"import time; time.sleep(1.2)\nimport sys; sys.argv[1:] = ['tcp', '{desk.port(0)}']\n{LISTENER}"
    )
    desk.write(f"web: python slow.py  # listens on {desk.port(0)}")
    one = desk.serve()[0]
    assert not free(desk.port(0))
    assert "slow.py" in psutil.Process(one.process.pid).cmdline(), "the pid is the program's, for kill -9 by hand"


def test_a_process_runs_in_the_folder_with_the_addresses_the_programs_and_its_log(desk):
    desk.write('tell: echo "$PWD $LAB_SERVICE_URL $LAB_REPLICA_URLS $LAB_PORT_BASE $(command -v lab)"; sleep 60')
    one = desk.serve(urls=Urls("http://127.0.0.1:1", replicas=("http://a", "http://b")))[0]
    assert one.log == desk.folder / "logs" / "tell.log"
    expected = f"{desk.folder} http://127.0.0.1:1 http://a,http://b {desk.base} {LAB}"
    assert one.log.read_text(encoding="utf-8").strip() == expected


def test_a_process_that_ends_at_once_is_told_with_its_last_words_and_takes_the_others_with_it(desk):
    desk.write(f"web: python listen.py tcp {desk.port(0)}", "bad: echo 'no such setting' >&2; exit 3")
    with pytest.raises(CannotRun, match=r"bad ended: no such setting; next: cat .*bad\.log"):
        desk.serve()
    assert served(desk.lab, desk.home) == []
    eventually(lambda: free(desk.port(0)))


def test_two_processes_on_one_port_are_told_by_the_second(desk):
    desk.write(f"a: python listen.py tcp {desk.port(0)}", f"b: python listen.py tcp {desk.port(0)}")
    with pytest.raises(CannotRun, match=r"[ab] ended: .*in use"):
        desk.serve()
    assert served(desk.lab, desk.home) == []


def test_a_process_that_does_not_listen_is_told_with_its_port(desk, monkeypatch):
    monkeypatch.setattr(processes, "READY_WITHIN", 1.0)
    desk.write(f"web: sleep 60 # {desk.port(3)}")
    with pytest.raises(CannotRun, match=f"web does not listen on {desk.port(3)}"):
        desk.serve()
    assert served(desk.lab, desk.home) == []


def test_a_port_that_somebody_else_has_is_told_before_anything_starts(desk):
    desk.write("first: touch started; sleep 60", f"web: python listen.py tcp {desk.port(0)}")
    told = rf"port {desk.port(0)} \(web\) is taken by .*pid {os.getpid()}"
    with socket.create_server(("127.0.0.1", desk.port(0))), pytest.raises(CannotRun, match=told):
        desk.serve()
    assert not (desk.folder / "started").exists()


def test_one_is_killed_and_only_it_is_started_anew(desk):
    desk.write(
        f"a: python listen.py tcp {desk.port(0)}", f"b: python listen.py tcp {desk.port(1)} # asks {desk.port(0)}"
    )
    before = {one.name: one.process.pid for one in desk.serve()}
    kill_served(desk.lab, desk.home, "b")
    assert {one.name: one.alive() for one in served(desk.lab, desk.home)} == {"a": True, "b": False}
    assert free(desk.port(1))
    with pytest.raises(CannotRun, match="no 'b' of lab 02 runs"):
        kill_served(desk.lab, desk.home, "b")
    desk.serve("b")
    after = {one.name: one.process.pid for one in served(desk.lab, desk.home)}
    assert after["a"] == before["a"]
    assert after["b"] != before["b"]
    with pytest.raises(CannotRun, match=r"no 'c' in .*there are: a, b"):
        desk.serve("c")


def test_serving_again_replaces_what_runs(desk):
    desk.write(f"web: python listen.py tcp {desk.port(0)}", "gone: sleep 60")
    before = desk.serve()
    desk.write(f"web: python listen.py tcp {desk.port(0)}")
    after = desk.serve()
    assert not any(runs(one.process.pid) for one in before)
    assert [one.name for one in served(desk.lab, desk.home)] == ["web"]
    assert after[0].alive()


def test_what_ignores_the_polite_signal_and_the_children_of_a_dead_process_end_too(desk, monkeypatch):
    monkeypatch.setattr(processes, "END_WITHIN", 1.0)
    desk.write("deaf: python stubborn.py", "parent: sleep 61 & sleep 60 & echo $!; wait")
    deaf, parent = desk.serve()
    members = parent.members()
    assert len(members) == 3
    os.kill(parent.process.pid, signal.SIGKILL)  # the parent alone: its children stay
    eventually(lambda: not parent.alive())
    assert len(parent.members()) == 2
    assert stop_served(desk.lab, desk.home, None, quiet)
    assert not any(runs(pid) for pid in [deaf.process.pid, *members])


def test_a_pid_that_has_become_somebody_elses_is_not_touched(desk):
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        try:
            record = desk.home.lab / "serving" / "02.json"
            record.parent.mkdir(parents=True)
            record.write_text(f'[{{"name": "web", "process": {{"pid": {other.pid}, "started": 1.0}}, "log": "x"}}]')
            assert not stop_served(desk.lab, desk.home, None, quiet)
            assert other.poll() is None
        finally:
            other.kill()


def test_the_command_starts_tells_kills_and_stops_and_lab_down_ends_what_is_left(desk):
    work = desk.folder.parent
    env = {**os.environ, "LAB_HOME": str(desk.home.lab), "LAB_WORK": str(work), "LAB_PORT_BASE": str(desk.base)}
    desk.write(f"web: python -m http.server --bind 127.0.0.1 {desk.port(0)}")

    def lab(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([LAB, *arguments], env=env, capture_output=True, text=True, timeout=60, check=False)

    told = lab("serve", "02")
    assert told.returncode == 0, told.stderr
    assert f"web: running; output in {desk.folder / 'logs'}" in told.stdout
    with urllib.request.urlopen(f"http://127.0.0.1:{desk.port(0)}/") as answer:
        assert answer.status == 200
    assert "web: killed; next: lab serve 02 --only web" in lab("serve", "02", "--kill", "web").stdout
    assert free(desk.port(0))
    assert lab("serve", "02", "--kill", "web").returncode == 2
    assert '"name": "web"' in lab("serve", "02", "--only", "web", "--json").stdout
    assert "stopped" in lab("serve", "02", "--stop").stdout
    assert "nothing of lab 02 ran" in lab("serve", "02", "--stop").stdout
    assert lab("serve", "02").returncode == 0
    lab("down")
    assert free(desk.port(0))
    assert stop_processes(desk.home, quiet) is False
