"""Starting a lab: the student's folder, and a stack that no earlier lab has changed."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from labkit.course.manifest import Lab
from labkit.course.processes import stop_processes, stop_served
from labkit.course.results import note, result
from labkit.course.student import keep_student, read_student
from labkit.course.workspace import lay_out, work_folder, write_numbers
from labkit.engines.deployment import starter, stopper
from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.obtain.program import Say
from labkit.stack.ports import port_base
from labkit.stack.record import read_record, write_whole
from labkit.urls import running

STACK_OF = "lab"  # in the run folder, which goes when the stack goes: the lab that it was started for


@dataclass(frozen=True)
class Started:
    """What `lab start` did."""

    folder: Path
    aside: Path | None
    """Where an earlier attempt was put, with --fresh."""
    student: str
    stack: str
    """kept, started or restarted."""


def start_lab(
    lab: Lab, home: Home, environ: Mapping[str, str], say: Say, *, name: str | None = None, fresh: bool = False
) -> Started:
    """Lay out the student's files and bring up the profile that the lab needs; return once it is ready.

    A stack that was not started for this lab is stopped first: what was scaled, killed or released there would
    change the answers. Raises CannotRun when the stack cannot be started.
    """
    work = work_folder(home, environ)
    student = keep_student(work, name) if name else read_student(work)
    if fresh:
        stop_served(lab, home, None, say)  # it would go on answering for work that is put aside
    folder, aside = lay_out(lab, work, port_base(environ), fresh=fresh)
    write_numbers(lab, folder, student)
    if fresh or not result(work, lab).started:
        note(work, lab, started=time.time())
    return Started(folder, aside, student.name, _ready(lab, home, environ, say))


def _ready(lab: Lab, home: Home, environ: Mapping[str, str], say: Say) -> str:
    there = running(home)
    if there is not None and there.engine != "process":
        raise CannotRun(f"a stack of the engine {there.engine} is up here; next: lab down, then lab start {lab.number}")
    if there is not None:
        record = read_record(home.run)
        if record is not None and lab.profile in record.profiles and _stack_of(home) == lab.number:
            return "kept"
        say("stopping the stack that is up: each lab begins with one that nothing has changed")
        stop_processes(home, say)
        stopper(None, home)(home, say)
    starter("process", home)(home, environ, say, (lab.profile,))
    write_whole(home.run / STACK_OF, lab.number)
    return "started" if there is None else "restarted"


def _stack_of(home: Home) -> str:
    try:
        return (home.run / STACK_OF).read_text(encoding="ascii")
    except OSError:
        return ""


def costs(lab: Lab, base: int) -> str:
    """Say in a line what a lab takes."""
    own = f" and {base + lab.ports[0]}–{base + lab.ports[1]}" if lab.ports else ""
    return (
        f"about {lab.minutes} minutes ({lab.machine_minutes:g} of them the machine's), {lab.memory} MB of memory, "
        f"ports {base}–{base + 299}{own} on this machine only, no Docker"
    )


def shortage(lab: Lab) -> str:
    """Say how much memory is missing, "" when there is enough."""
    free = psutil.virtual_memory().available / 1e6
    return "" if free >= lab.memory else f"only {free:.0f} MB are free of the {lab.memory} MB that this lab takes"
