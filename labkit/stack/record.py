"""The record of a running stack: which processes belong to it, found again by pid and start time."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

RECORD = "record.json"


@dataclass(frozen=True)
class Identity:
    """A process that cannot be mistaken for a later one with the same pid: `started` is its epoch start time."""

    pid: int
    started: float

    def alive(self) -> bool:
        """Tell whether that very process runs; a zombie does not."""
        try:
            process = psutil.Process(self.pid)
            # The kernel counts ticks since boot and a clock correction moves the sum by a little.
            return abs(process.create_time() - self.started) < 2 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def identify(pid: int) -> Identity:
    """Return the identity of a process that runs now; raises psutil.NoSuchProcess."""
    return Identity(pid, psutil.Process(pid).create_time())


@dataclass(frozen=True)
class Member:
    """One component as the supervisor sees it; `state` is one of the names in life.py."""

    name: str
    state: str
    process: Identity | None
    port: int | None
    restarts: int
    last_exit: str | None


@dataclass(frozen=True)
class Record:
    """What the supervisor writes at every change; `phase` is starting, up or stopping, `plan` the plan's number."""

    supervisor: Identity
    guard: Identity | None
    phase: str
    base: int
    edge: str
    members: tuple[Member, ...] = field(default_factory=tuple)
    plan: int = 0
    profiles: tuple[str, ...] = ()

    def alive(self) -> bool:
        return self.supervisor.alive()

    def processes(self) -> Iterator[tuple[str, Identity]]:
        """Yield name and identity of every process, the supervisor and its guard first."""
        yield "supervisor", self.supervisor
        if self.guard is not None:
            yield "guard", self.guard
        for member in self.members:
            if member.process is not None:
                yield member.name, member.process


def write_record(run: Path, record: Record) -> None:
    """Replace the record in one step: a reader sees the old or the new one."""
    write_whole(run / RECORD, json.dumps(asdict(record), indent=1))


def write_whole(path: Path, text: str) -> None:
    """Replace a file in one step."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def read_record(run: Path) -> Record | None:
    """Return the last record, None when there is none that can be read."""
    try:
        facts = json.loads((run / RECORD).read_text(encoding="utf-8"))
        members = tuple(
            Member(**{**part, "process": Identity(**part["process"]) if part["process"] else None})
            for part in facts.pop("members")
        )
        guard, profiles = facts.pop("guard"), tuple(facts.pop("profiles", ()))
        return Record(
            **{**facts, "supervisor": Identity(**facts["supervisor"])},
            guard=Identity(**guard) if guard else None,
            members=members,
            profiles=profiles,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
