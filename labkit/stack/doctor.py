"""What `lab doctor` tells: the machine, each program and where it is from, what `lab up` would do, and what runs."""

import platform
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack import catalogue
from labkit.stack.entry import Entry, claims, needed_programs
from labkit.stack.memory import Measure, measures
from labkit.stack.obtain import SOURCES, python
from labkit.stack.obtain.program import Program
from labkit.stack.ports import SPAN, check_free, port_base
from labkit.stack.profiles import chosen
from labkit.stack.setup import NO_EDGE, choose_edge
from labkit.stack.status import Status, look


@dataclass(frozen=True)
class Finding:
    """One program: where it is, or what `lab up` would do to get it."""

    name: str
    version: str | None
    origin: str
    path: str | None


@dataclass(frozen=True)
class Diagnosis:
    """`problems` are lines that keep `lab up` from working; memory and disk are bytes."""

    machine: Mapping[str, Any]
    project: str
    state: str
    edge: str
    profiles: tuple[str, ...]
    programs: tuple[Finding, ...]
    ports: str
    problems: tuple[str, ...]
    stack: Status
    memory: tuple[Measure, ...]

    @property
    def good(self) -> bool:
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "stack": self.stack.to_dict(), "good": self.good}


def examine(home: Home, environ: Mapping[str, str], asked: Sequence[str] = ()) -> Diagnosis:
    """Look at everything and change nothing; `asked` names the profiles that `lab up` would be given.

    A stack that runs is what it is: its own profiles count then. Raises CannotRun for a profile that there is not.
    """
    problems: list[str] = []
    stack = look(home)
    profiles = stack.profiles or chosen(asked)
    try:
        edge = stack.edge or choose_edge(home, environ)
    except CannotRun as error:
        problems.append(str(error))
        edge = "none"
    entries = catalogue.entries(edge, profiles)
    programs = {name: SOURCES[name].find(home) for name in needed_programs(entries)}
    findings = [_finding("python", python(), "")]
    findings += [
        _finding(name, program, "" if program else SOURCES[name].would(home)) for name, program in programs.items()
    ]
    if edge == "none":
        findings.append(Finding("traefik", None, NO_EDGE, None))
    return Diagnosis(
        machine=_machine(home),
        project=str(home.root),
        state=str(home.lab),
        edge=edge,
        profiles=profiles,
        programs=tuple(findings),
        ports=_ports(environ, entries, stack, problems),
        problems=tuple(problems),
        stack=stack,
        memory=measures(stack),
    )


def _finding(name: str, program: Program | None, would: str) -> Finding:
    if program is None:
        return Finding(name, None, f"not here; lab up would {would}", None)
    return Finding(name, program.version, program.origin, program.path)


def _ports(environ: Mapping[str, str], entries: Iterable[Entry], stack: Status, problems: list[str]) -> str:
    if stack.base is not None:
        return f"{stack.base} to {stack.base + SPAN}, in use by the running stack"
    try:
        base = port_base(environ)
        check_free(claims(entries, base), base)
    except CannotRun as error:
        problems.append(str(error))
        return "see below"
    return f"{base} to {base + SPAN}, free where the stack needs them"


def _machine(home: Home) -> dict[str, Any]:
    folder = home.lab if home.lab.exists() else home.root
    return {
        "system": platform.platform(),
        "python": ".".join(map(str, sys.version_info[:3])),
        "cores": psutil.cpu_count(),
        "memory_total": psutil.virtual_memory().total,
        "memory_available": psutil.virtual_memory().available,
        "disk_free": shutil.disk_usage(folder).free,
        "state_size": sum(path.lstat().st_size for path in home.lab.rglob("*") if path.is_file()),
    }
