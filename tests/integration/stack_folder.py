"""A stack of its own for a test: a state folder, free ports, the real `lab` command."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from labkit.home import Home
from labkit.stack import catalogue
from labkit.stack.entry import claims
from labkit.stack.ports import SPAN, free
from labkit.stack.profiles import PROFILES

ROOT = Path(__file__).parents[2]
LAB = Path(sys.executable).parent / "lab"
KEPT = ("PATH", "HOME", "LANG", "JAVA_HOME", "XDG_CACHE_HOME")
NETWORK = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
"""How this machine reaches the places from which a first start fetches servers."""


def quiet(_text: str) -> None:
    """Say nothing."""


def offsets() -> list[int]:
    """Return the ports of all profiles, and those of what a test adds, as offsets from the base."""
    entries = [entry for profile in PROFILES for entry in catalogue.entries("traefik", (profile,))]
    more = [make(number) for make in (catalogue.api, catalogue.worker) for number in range(1, catalogue.MOST + 1)]
    more.append(catalogue.canary())
    return sorted({offset for _, offset in claims((*entries, *more), 0)})


def free_base() -> int:
    """Return a port base whose ports are all free now; below the range that outgoing connections use."""
    ports = offsets()
    bases = list(range(20000, 32000, SPAN))
    random.SystemRandom().shuffle(bases)  # two test sessions with the same seed must differ
    return next(base for base in bases if all(free(base + port) for port in ports))


class StackFolder:
    """A state folder with the project's cache of programs, so that each is obtained once for all tests."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(ROOT, folder / ".lab")
        self.temporary = folder / "tmp"
        self.base = free_base()
        self.home.lab.mkdir(parents=True)
        self.temporary.mkdir()
        cache = ROOT / ".lab" / "cache"
        cache.mkdir(parents=True, exist_ok=True)
        self.home.cache.symlink_to(cache)

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in (*KEPT, *NETWORK) if name in os.environ}
        own = {"LAB_HOME": str(self.home.lab), "LAB_PORT_BASE": str(self.base), "TMPDIR": str(self.temporary)}
        return {**kept, **own, **more}

    def lab(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [LAB, *arguments],
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def listening(self) -> list[int]:
        """Return the ports of this stack that cannot be bound."""
        return [self.base + offset for offset in offsets() if not free(self.base + offset)]


def running(pids: Sequence[int]) -> list[str]:
    """Return which of the processes still run; a zombie does not."""
    found = []
    for pid in pids:
        try:
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.name()} ({pid})")
        except psutil.NoSuchProcess:
            continue
    return found


def row(facts: dict[str, Any], name: str) -> dict[str, Any]:
    """Return one component of `lab status --json`."""
    found: dict[str, Any] = next(part for part in facts["components"] if part["name"] == name)
    return found


def says(stack: StackFolder, *arguments: str) -> str:
    """Run a command that has to work, and return what it printed."""
    done = stack.lab(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def facts(stack: StackFolder, *arguments: str) -> Any:
    """Return what a command says to a machine."""
    return json.loads(stack.lab(*arguments, "--json").stdout)
