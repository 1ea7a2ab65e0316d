"""What the running stack looks like: state, memory and CPU of every process."""

import time
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from labkit.home import Home
from labkit.stack.component import load_plan
from labkit.stack.readiness import unready
from labkit.stack.record import Identity, read_record


@dataclass(frozen=True)
class Row:
    """One process; `rss` and `pss` are bytes (PSS counts shared pages once, None where the system does not tell)."""

    name: str
    state: str
    pid: int | None
    port: int | None
    rss: int | None
    pss: int | None
    cpu_percent: float | None
    restarts: int
    last_exit: str | None


@dataclass(frozen=True)
class Status:
    """The stack at one moment; `up` means that every component is ready."""

    up: bool
    phase: str
    base: int | None
    edge: str | None
    rows: tuple[Row, ...]
    profiles: tuple[str, ...] = ()

    @property
    def rss(self) -> int:
        return sum(row.rss or 0 for row in self.rows)

    @property
    def pss(self) -> int:
        return sum(row.pss or row.rss or 0 for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        facts = asdict(self)
        return {**facts, "components": facts.pop("rows"), "total_rss": self.rss, "total_pss": self.pss}


def look(home: Home, window: float = 0.25) -> Status:
    """Look at the stack of this folder; CPU is measured over `window` seconds. Never raises for what is not there."""
    record = read_record(home.run)
    if record is None or not record.alive():
        return Status(False, "down", None, None, ())
    states: dict[str, tuple[str, int | None, int, str | None]] = {
        "supervisor": ("ready", None, 0, None),
        "guard": ("ready", None, 0, None),
    }
    probes = {part.name: part.probes for part in load_plan(home.run / "plan.json").components}
    for member in record.members:
        silent = member.state == "ready" and any(unready(address) for address in probes.get(member.name, ()))
        states[member.name] = (
            "no answer" if silent else member.state, member.port, member.restarts, member.last_exit
        )  # fmt: skip
    processes = {name: _process(identity) for name, identity in record.processes()}
    for process in processes.values():
        _cpu(process)
    time.sleep(window)
    rows = []
    for name, (state, port, restarts, last_exit) in states.items():
        process = processes.get(name)
        rss, pss = _memory(process)
        pid = process.pid if process else None
        rows.append(Row(name, state, pid, port, rss, pss, _cpu(process), restarts, last_exit))
    ready = record.phase == "up" and all(row.state == "ready" for row in rows)
    return Status(ready, record.phase, record.base, record.edge, tuple(rows), record.profiles)


def _process(identity: Identity) -> psutil.Process | None:
    try:
        return psutil.Process(identity.pid) if identity.alive() else None
    except psutil.Error:
        return None


def _cpu(process: psutil.Process | None) -> float | None:
    try:
        return process.cpu_percent() if process else None
    except psutil.Error:
        return None


def _memory(process: psutil.Process | None) -> tuple[int | None, int | None]:
    if process is None:
        return None, None
    try:
        rss: int = process.memory_info().rss
        return rss, getattr(process.memory_full_info(), "pss", None)
    except psutil.AccessDenied:  # another user's process: its resident size is public, the rest is not
        return rss, None
    except psutil.Error:
        return None, None
