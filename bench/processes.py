"""Processes on a core of their own: the servers that are measured, and the load."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.errors import CannotMeasure

START_SECONDS = 60.0
STOP_SECONDS = 10.0
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Cores:
    """Which core serves and which one loads."""

    server: int
    load: int


def choose_cores() -> Cores:
    """Return the first two cores that this process may use. Raises CannotMeasure when there is one only."""
    # Where a program cannot be tied to a core (macOS), the numbers are told, but bind nobody.
    usable = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else list(range(os.cpu_count() or 1))
    if len(usable) < 2:
        raise CannotMeasure(f"server and load need a core each, and this process may use {usable}; give it two")
    return Cores(*usable[:2])


def confined(core: int | str, command: Sequence[str]) -> list[str]:
    """Return the command that runs `command` on one core (or on several, "0,1"), ending with us."""
    return [sys.executable, "-m", "bench.confined", str(core), *command]


def bare_environment(own: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a server: few of ours, and its own."""
    return {key: os.environ[key] for key in _INHERITED if key in os.environ} | dict(own)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass(frozen=True)
class Server:
    """A running server: where it listens, and what it has used."""

    url: str
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """Return the processor time of all its threads since its start, in user and system mode."""
        times = self.process.cpu_times()
        return times.user + times.system

    def metrics_port(self) -> int:
        """Return where it shows its metrics."""
        return int(self.process.environ()["LAB_METRICS_PORT"])

    def rss_bytes(self) -> int:
        size: int = self.process.memory_info().rss
        return size


@contextlib.contextmanager
def running(
    name: str, command: Callable[[int], tuple[Sequence[str], Mapping[str, str]]], core: int, folder: Path
) -> Iterator[Server]:
    """Run a server on `core` until the end of the block; its output goes to a file in `folder`.

    `command` gives arguments and variables for a port. Raises CannotMeasure when it does not answer.
    """
    port = free_port()
    arguments, own = command(port)
    env = bare_environment(own)
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(confined(core, arguments), env=env, stdout=output, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        _await_answer(name, process, url, log)
        yield Server(url, psutil.Process(process.pid))
    finally:
        end(process)


def _await_answer(name: str, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = log.read_text(errors="replace").strip().splitlines()
            last = said[-1] if said else "no output"
            raise CannotMeasure(f"{name} ended at its start with {process.returncode}: {last}")
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except urllib.error.HTTPError:
            return  # it answers, be it that it has nothing at /
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise CannotMeasure(f"{name} does not answer at {url} after {START_SECONDS:g} s; its output: {log}")


def end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
