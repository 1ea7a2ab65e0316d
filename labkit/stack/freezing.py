"""Freezing a component: its processes stand still for some seconds, as in a long collection of garbage, then go on."""

import re
import signal
import time

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.marks import Mark, add_mark, marks
from labkit.stack.change import running_record
from labkit.stack.record import Identity
from labkit.stack.spawn import signal_group

LONGEST = 60.0
FROZEN = re.compile(r"(?P<name>\S+) frozen for (?P<seconds>[\d.]+) s")


def freeze(home: Home, name: str, seconds: float, after: float = 0.0) -> Mark:
    """Stop a component's processes `after` seconds from now, let them go on `seconds` later; return its mark.

    The kernel goes on accepting connections for it: nothing is lost, nobody answers. Interrupted, it ends at once.
    Raises CannotRun for an unknown component, for one that does not run, and for a freeze above a minute.
    """
    if not 0 < seconds <= LONGEST or not 0 <= after <= LONGEST:
        raise CannotRun(f"a freeze lasts up to {LONGEST:g} s and begins within {LONGEST:g} s; next: --seconds 3")
    _process(home, name)
    time.sleep(after)
    process = _process(home, name)
    begun = time.time()
    try:
        signal_group(process.pid, signal.SIGSTOP)
        time.sleep(seconds)
    finally:
        signal_group(process.pid, signal.SIGCONT)
    return add_mark(home, "fault", f"{name} frozen for {seconds:g} s", at=begun)


def frozen_between(home: Home, name: str, start: float, end: float) -> float:
    """Return for how many seconds a component was frozen in that time (epoch seconds), by the marks."""
    found = (FROZEN.fullmatch(mark.text) for mark in marks(home, start, end) if mark.kind == "fault")
    return sum(float(one["seconds"]) for one in found if one and one["name"] == name)


def _process(home: Home, name: str) -> Identity:
    members = {member.name: member for member in running_record(home).members}
    if name not in members:
        raise CannotRun(f"no component {name!r} in this stack; there are: {', '.join(members)}")
    process = members[name].process
    if process is None or not process.alive():
        raise CannotRun(f"{name} does not run: it is {members[name].state}; next: lab status")
    return process
