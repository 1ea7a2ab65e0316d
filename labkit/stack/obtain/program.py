"""A program that was found or obtained, and what a source of one can do."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from labkit.home import Home

Say = Callable[[str], None]


@dataclass(frozen=True)
class Program:
    """A program that can be started: `origin` says in a few words where it came from."""

    name: str
    path: str
    version: str
    origin: str
    arguments: tuple[str, ...] = ()


class Source(Protocol):
    """How one server is obtained: a module of this package, or an object in one."""

    def find(self, home: Home) -> Program | None:
        """Return the program that is there already; no network, nothing changed."""

    def would(self, home: Home) -> str:
        """Say what `obtain` would do here."""

    def obtain(self, home: Home, say: Say) -> Program:
        """Get the program into the cache; raises CannotRun with the line that says how to get it."""


def on_path(name: str) -> str | None:
    """Return the user's own program of that name; those of our virtual environment do not count as such."""
    ours = Path(sys.executable).parent
    folders = [part for part in os.environ.get("PATH", os.defpath).split(os.pathsep) if part]
    return shutil.which(name, path=os.pathsep.join(part for part in folders if Path(part) != ours))


def first_found(
    name: str, candidates: Iterable[tuple[str | None, str, tuple[str, ...]]], oldest: tuple[int, ...]
) -> Program | None:
    """Return the first of (path, origin, arguments) that is there, runs and is not too old."""
    for path, origin, arguments in candidates:
        version = reported_version([path, "--version"]) if path and Path(path).is_file() else ""
        if path and at_least(version, oldest):
            return Program(name, path, version, origin, arguments)
    return None


def tool_of(program: Program | None, name: str) -> Path | None:
    """Return a tool that comes with a program: beside the one that is used, else on PATH."""
    beside = Path(program.path).with_name(name) if program else None
    if beside is not None and beside.is_file():
        return beside
    path = on_path(name)
    return Path(path) if path else None


def reported_version(command: list[str]) -> str:
    """Run a program's version command; return the number after "version" or "v", "" when there is none."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return stated_version(answer.stdout + answer.stderr) if answer.returncode == 0 else ""


def stated_version(text: str) -> str:
    """Find a version such as 2.42.0 in what a program says of itself; that of its compiler does not count.

    Java puts its own in quotes, and leaves out zeros: "21".
    """
    found = re.search(r'\bv(?:ersion)?[:=]?\s*"?(\d+\.\d+(?:\.\d+)?|(?<=")\d+)', text, re.IGNORECASE)
    return found.group(1) if found else ""


def at_least(version: str, wanted: tuple[int, ...]) -> bool:
    """Compare a version text with the lowest that works."""
    return bool(version) and tuple(int(part) for part in version.split(".")) >= wanted
