"""Small parts of the supervisor: waiting times, words, logs, environment, probes."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.stack import logs
from labkit.stack.component import Component
from labkit.stack.guard import Guard
from labkit.stack.life import GIVE_UP_AFTER, Life, State, backoff, describe_exit
from labkit.stack.readiness import unready
from labkit.stack.spawn import environment


def test_the_wait_after_a_crash_doubles_and_is_bounded() -> None:
    waits = [backoff(n) for n in range(1, 12)]
    assert waits[:4] == [0.25, 0.5, 1.0, 2.0]
    assert waits == sorted(waits)
    assert waits[-1] == 10.0


def test_an_exit_is_described_in_words() -> None:
    assert describe_exit(2) == "exit code 2"
    assert describe_exit(-9) == "killed by SIGKILL"
    assert describe_exit(-250) == "killed by signal 250"


def test_a_component_that_never_gets_ready_is_given_up_in_the_end(tmp_path: Path) -> None:
    def begin(_component: Component) -> "subprocess.Popen[bytes]":
        raise FileNotFoundError("no such program")

    life = Life(Component("ghost", ("ghost",)), tmp_path / "log", begin, Guard(0, -1))
    states = []
    for _ in range(GIVE_UP_AFTER):
        life.start()
        states.append(life.state)
    assert states == [State.CRASHED] * (GIVE_UP_AFTER - 1) + [State.FAILED]
    assert life.last_exit == "cannot be started: no such program"


def test_a_child_gets_its_own_lab_variables_and_none_of_ours(tmp_path: Path) -> None:
    inherited = {
        "PATH": "/bin",
        "LAB_REDIS_URL": "redis://wrong",
        "LAB_WORKERS": "9",
        "SECRET": "s",
        "PYTHONPATH": "/x",
    }
    env = environment(inherited, {"LAB_API_PORT": "1"}, tmp_path)
    assert env == {"PATH": "/bin", "LAB_API_PORT": "1", "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}


def test_the_last_lines_are_found_in_a_long_log(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("".join(f"line {n} {'x' * 500}\n" for n in range(1000)) + "\n\n")
    assert [line.split()[1] for line in logs.last_lines(log, 100)] == [str(n) for n in range(900, 1000)]
    assert logs.last_line(log, 20) == "line 999 xxxxxxxxxx…"
    assert logs.last_lines(log, 0) == []


def test_a_log_that_is_missing_or_empty_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "empty.log").touch()
    for name in ("empty.log", "missing.log"):
        assert logs.last_lines(tmp_path / name, 5) == []
        assert logs.last_line(tmp_path / name) == "it wrote nothing"


def test_a_log_is_bounded_while_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 100)
        assert not logs.bound(log, limit=100)
        writer.write(b"y")
        assert logs.bound(log, limit=100)
        writer.write(b"after\n")
    assert log.read_bytes() == b"after\n"
    assert (tmp_path / "a.log.1").read_bytes() == b"x" * 100 + b"y"


def test_a_log_that_its_writer_opens_again_is_moved_without_losing_a_line(tmp_path: Path) -> None:
    log = tmp_path / "own.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 101)
        assert not logs.turn(log, limit=101)
        assert logs.turn(log, limit=100)
        writer.write(b"late\n")  # before it has been told to open it again
    assert not log.exists()
    assert (tmp_path / "own.log.1").read_bytes() == b"x" * 101 + b"late\n"
    assert not logs.turn(log, limit=0), "it is not there"


@pytest.fixture
def answering() -> Iterator[tuple[int, list[bytes]]]:
    """A port that answers each connection with what the list holds at that moment."""
    answer = [b""]
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer[0])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], answer
        server.shutdown(socket.SHUT_RDWR)
    thread.join(timeout=5)


def test_http_is_ready_with_200_alone(answering: tuple[int, list[bytes]]) -> None:
    port, answer = answering
    address = f"http://127.0.0.1:{port}/readyz"
    answer[0] = b"HTTP/1.1 503 Service Unavailable\r\n\r\n200"
    assert "503" in str(unready(address))
    answer[0] = b"HTTP/1.1 200 OK\r\n\r\n"
    assert unready(address) is None
    answer[0] = b""
    assert "without an answer" in str(unready(address))


def test_http_can_ask_for_a_text_in_the_body(answering: tuple[int, list[bytes]]) -> None:
    port, answer = answering
    answer[0] = b'HTTP/1.1 200 OK\r\n\r\n{"value": "1"}'
    assert unready(f'http://127.0.0.1:{port}/q?a=b#"1"') is None
    assert 'no "2"' in str(unready(f'http://127.0.0.1:{port}/q?a=b#"2"'))


def test_redis_is_ready_when_it_answers_ping(answering: tuple[int, list[bytes]]) -> None:
    port, answer = answering
    answer[0] = b"-LOADING Redis is loading the dataset in memory\r\n"
    assert "LOADING" in str(unready(f"redis://127.0.0.1:{port}"))
    answer[0] = b"+PONG\r\n"
    assert unready(f"redis://127.0.0.1:{port}") is None


def test_nobody_listening_is_not_ready() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        assert "refused" in str(unready(f"tcp://127.0.0.1:{reserved.getsockname()[1]}"))
