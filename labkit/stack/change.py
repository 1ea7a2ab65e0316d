"""Changing the stack while it runs: components that come, go, are killed and kept away, or are started again."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.component import Component, Plan, load_plan
from labkit.stack.control import alone
from labkit.stack.obtain.program import Say
from labkit.stack.record import Member, Record, read_record

PLAN = "plan.json"
TICK = 0.05
SAY_EVERY = 5.0
SPARE = 10.0  # seconds on top of a component's own time: a busy machine, one crash and one more try


def change(home: Home, amend: Callable[[Plan], Plan], say: Say) -> tuple[str, ...]:
    """Give the supervisor the plan that `amend` makes of the present one, and wait until the stack is so.

    Returns the names of the components that were changed. Raises CannotRun when no stack is up, and when a component
    is not as wanted in its time; the plan stays, and the supervisor goes on trying.
    """
    with alone(home):
        return step(home, amend, say)


def step(home: Home, amend: Callable[[Plan], Plan], say: Say) -> tuple[str, ...]:
    """Do the same as one of several steps: whoever calls holds the lock of the folder (`alone`)."""
    record = running_record(home)
    before = present_plan(home)
    after = amend(before)
    changed = differences(before, after)
    if changed or replace(after, components=()) != replace(before, components=()):
        after = replace(after, number=before.number + 1)
        after.save(home.run / PLAN)
        os.kill(record.supervisor.pid, signal.SIGUSR1)
        _wait(home, before, after, changed, say)
    return changed


def present_plan(home: Home) -> Plan:
    """Return what the supervisor was last told. Raises CannotRun when no stack is up."""
    running_record(home)
    return load_plan(home.run / PLAN)


def hold(home: Home, name: str, say: Say) -> bool:
    """Kill a component and keep it away; False when it was away already."""
    return bool(change(home, lambda plan: _held(plan, name, True), say))


def release(home: Home, name: str, say: Say) -> bool:
    """Start what `hold` keeps away and wait until it is ready; False when it was not held."""
    return bool(change(home, lambda plan: _held(plan, name, False), say))


def running_record(home: Home) -> Record:
    """Return the record of the stack that is up; raises CannotRun when none is."""
    record = read_record(home.run)
    if record is None or not record.alive():
        raise CannotRun("no stack is up here; next: lab up")
    if record.phase != "up":
        raise CannotRun(f"the stack is {record.phase} at this moment; next: lab status")
    return record


def differences(before: Plan, after: Plan) -> tuple[str, ...]:
    """Return the names of the components that are new, gone or not the same in the second plan."""
    old, new = _by_name(before), _by_name(after)
    return tuple(name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name))


def pending(record: Record, plan: Plan, names: tuple[str, ...]) -> list[str]:
    """Return those of the named components that are not as the plan wants them, each with what it is instead."""
    if record.plan != plan.number:
        return [f"{name} (not begun)" for name in names]
    members = {member.name: member for member in record.members}
    wanted = _by_name(plan)
    found = ((name, _wrong(members.get(name), wanted.get(name))) for name in names)
    return [f"{name} ({what})" for name, what in found if what]


def _wrong(member: Member | None, wanted: Component | None) -> str | None:
    if wanted is None:
        return None if member is None else "stopping"
    if member is None:
        return "not begun"
    if wanted.held:
        return None if member.state == "held" and member.process is None else f"{member.state}, still there"
    if member.state == "ready":
        return None
    return f"{member.state}, last exit: {member.last_exit}" if member.last_exit else member.state


def _wait(home: Home, before: Plan, after: Plan, names: tuple[str, ...], say: Say) -> None:
    parts = {**_by_name(before), **_by_name(after)}
    within = SPARE + max((max(parts[name].ready_within, parts[name].stop_within) for name in names), default=0.0)
    begun = time.monotonic()
    spoken = begun
    while True:
        record = read_record(home.run)
        if record is None or not record.alive():
            raise CannotRun("the stack went down meanwhile; next: lab logs supervisor")
        if not (left := pending(record, after, names)):
            return
        now = time.monotonic()
        if now - begun > within:
            first = left[0].split()[0]
            raise CannotRun(f"not as wanted after {within:g} s: {', '.join(left)}; next: lab logs {first}")
        if now - spoken > SAY_EVERY:
            spoken = now
            say(f"waiting for {', '.join(left)}")
        time.sleep(TICK)


def _held(plan: Plan, name: str, held: bool) -> Plan:
    names = [part.name for part in plan.components]
    if name not in names:
        raise CannotRun(f"no component {name!r} in this stack; there are: {', '.join(names)}")
    parts = (replace(part, held=held) if part.name == name else part for part in plan.components)
    return replace(plan, components=tuple(parts))


def _by_name(plan: Plan) -> dict[str, Component]:
    return {part.name: part for part in plan.components}
