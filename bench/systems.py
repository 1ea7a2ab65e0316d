"""Queues as systems of several real processes: ours as `lab up` starts it, and the textbook's."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from bench.errors import CannotMeasure
from bench.processes import START_SECONDS, bare_environment, confined, end, free_port
from labkit.errors import CannotRun
from labkit.home import Home, find_home
from labkit.keys.keyring import KeyRing
from labkit.stack import catalogue
from labkit.stack.component import Component
from labkit.stack.entry import Site, needed_programs
from labkit.stack.obtain import obtain_all
from labkit.stack.obtain.program import Program
from labkit.stack.ports import SPAN, free
from labkit.stack.readiness import unready
from labkit.stack.setup import prepare

Say = Callable[[str], None]
OURS = ("redis", "redis-jobs", "kafka", "api-1", "worker-1")
"""Of the default stack: without Prometheus, which no queue has here."""
NO_QUOTA = {"LAB_JOB_RATE": "1000000", "LAB_JOB_BURST": "1000000"}
"""The quota is asked for each job all the same; it only never says no to the eight clients of the load."""


@dataclass(frozen=True)
class Parts:
    """What has to be started, in this order; `keys` are the API keys of the clients (one empty key: none asked)."""

    components: tuple[Component, ...]
    url: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class System:
    """A running queue."""

    url: str
    keys: tuple[str, ...]
    processes: Mapping[str, psutil.Process]
    """By the names of the components."""

    def cpu_seconds(self) -> float:
        """Return the processor time of all its processes, those that they started included."""
        return sum(times.user + times.system for times in (one.cpu_times() for one in self._all()))

    def rss_bytes(self) -> int:
        return sum(one.memory_info().rss for one in self._all())

    def _all(self) -> Iterator[psutil.Process]:
        for process in self.processes.values():
            yield process
            yield from process.children(recursive=True)


def ours(models: Path, folder: Path, say: Say) -> Parts:
    """Return our queue from the catalogue of `lab up`: api, one broker, one worker, both Redis, everything on."""
    project = find_home()
    home = Home(project.root, folder / "lab")
    entries = tuple(entry for entry in catalogue.entries("none", ()) if entry.name in OURS)
    more = NO_QUOTA | {"LAB_MODELS_DIR": str(models)}
    entries = tuple(
        replace(entry, environment={**entry.environment, **more}) if entry.program == "python" else entry
        for entry in entries
    )
    site = Site(home, _free_base(), entries, _obtained(needed_programs(entries), project, say))
    for needed in (home.run, home.data / "feedback", home.data / "models", home.cache):
        needed.mkdir(parents=True, exist_ok=True)
    KeyRing(home.secrets).make_own()
    site.write_files()
    prepare(site, say)
    keys = (home.secrets / "load-keys").read_text(encoding="ascii").split()
    return Parts(tuple(map(site.component, entries)), f"http://127.0.0.1:{site.port('api-1')}", tuple(keys))


def textbook(_models: Path, folder: Path, say: Say) -> Parts:
    """Return the textbook's queue: FastAPI, Celery with one worker process, Redis as it comes."""
    programs = _obtained(["redis-server"], find_home(), say)
    redis, port = free_port(), free_port()
    variables = {"BENCH_REDIS": f"redis://127.0.0.1:{redis}/0", "PYTHONPATH": str(find_home().root)}
    celery = (sys.executable, "-m", "celery", "-A", "bench.servers.textbook_tasks", "worker")
    components = (
        Component(
            "textbook-redis",
            (programs["redis-server"].path, "--bind", "127.0.0.1", "--port", str(redis), "--dir", str(folder)),
            probes=(f"redis://127.0.0.1:{redis}",),
        ),
        Component("textbook-worker", (*celery, "--concurrency", "1", "--loglevel", "INFO"), variables),
        Component(
            "textbook-api",
            (sys.executable, "-m", "bench.servers.textbook_queue", str(port)),
            variables,
            probes=(f"tcp://127.0.0.1:{port}",),
        ),
    )
    return Parts(components, f"http://127.0.0.1:{port}", ("",))


@contextlib.contextmanager
def running(parts: Parts, cores: str, folder: Path) -> Iterator[System]:
    """Run a queue on these cores until the end of the block. Raises CannotMeasure when a part does not start."""
    with contextlib.ExitStack() as opened:
        processes = {
            component.name: psutil.Process(_started(component, cores, folder, opened).pid)
            for component in parts.components
        }
        yield System(parts.url, parts.keys, processes)


def _started(component: Component, cores: str, folder: Path, opened: contextlib.ExitStack) -> "subprocess.Popen[bytes]":
    log = folder / f"{component.name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            confined(cores, component.command),
            env=bare_environment(component.environment),
            cwd=find_home().root,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    opened.callback(end, process)
    deadline = time.monotonic() + START_SECONDS
    while missing := [why for probe in component.probes if (why := unready(probe))]:
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace").strip().splitlines()
            last = said[-1] if said else "no output"
            raise CannotMeasure(f"{component.name} does not start ({missing[0]}); it said: {last}")
        time.sleep(0.1)
    return process


def _obtained(names: list[str], home: Home, say: Say) -> dict[str, Program]:
    try:
        return obtain_all(names, home, say)
    except CannotRun as error:
        raise CannotMeasure(str(error)) from None


def _free_base() -> int:
    """Return a port base with nobody on any of its ports."""
    offset = os.getpid() % 50 * SPAN
    for start in range(25_000, 60_000, SPAN):
        base = 25_000 + (start - 25_000 + offset) % 35_000
        if base + SPAN < 60_000 and all(free(base + number) for number in range(SPAN)):
            return base
    raise CannotMeasure(f"no {SPAN} free ports in a row from 25000 to 60000; stop other servers")
