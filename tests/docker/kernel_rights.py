"""What the kernel lets the processes in a container do, whatever the engine was asked for."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil


@dataclass(frozen=True)
class Rights:
    process: str
    root: bool
    capabilities: int
    """Those that it has or could ever get, as the kernel's bits."""
    new_privileges: bool
    """Whether a program that it starts may have more rights than itself."""

    @property
    def any(self) -> bool:
        return self.root or self.capabilities != 0 or self.new_privileges


def rights_of(process: psutil.Process) -> Rights:
    """Read the rights of a process. Raises what says that it has ended."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    lines = dict(line.split(":", 1) for line in status.splitlines())
    return Rights(
        process.name(),
        "0" in lines["Uid"].split(),
        int(lines["CapBnd"], 16) | int(lines["CapPrm"], 16),
        lines["NoNewPrivs"].strip() != "1",
    )


def rights_within(container: Mapping[str, Any]) -> list[Rights]:
    """Return the rights of every process of a container, given what `docker inspect` says of it."""
    if not container["State"]["Running"]:
        return []
    found = []
    first = psutil.Process(container["State"]["Pid"])
    for process in (first, *first.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):  # it was a short one
            found.append(rights_of(process))
    return found
