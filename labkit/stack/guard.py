"""A second process that outlives the supervisor by a moment: kills what is left and removes the run folder.

The kernel's death signal reaches only the supervisor's direct children, only on Linux, and removes no files.
The guard is forked before anything is started, holds the reading end of a pipe whose writing end only the
supervisor has, and acts when that end closes, which a `kill -9` cannot prevent.
"""

import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from labkit.stack.spawn import signal_group


@dataclass(frozen=True)
class Guard:
    """The supervisor's end: tell the guard which process groups exist."""

    pid: int
    pipe: int

    def watch(self, group: int) -> None:
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        self._tell(f"-{group}\n")

    def dismiss(self) -> None:
        """Everything is stopped and removed: the guard just ends."""
        os.close(self.pipe)
        os.waitpid(self.pid, 0)

    def _tell(self, line: str) -> None:
        try:
            os.write(self.pipe, line.encode("ascii"))
        except BrokenPipeError:  # somebody killed the guard; the death signal still holds
            return


def fork_guard(run: Path, close: tuple[int, ...] = ()) -> Guard:
    """Fork the guard; `close` are descriptors that only the supervisor may keep open."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(reading)
        return Guard(pid, writing)
    try:
        for descriptor in (writing, *close):
            os.close(descriptor)
        os.setsid()  # a kill of the supervisor's whole group leaves the guard
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        _wait_and_clean(reading, run)
    finally:
        os._exit(0)


def _wait_and_clean(reading: int, run: Path) -> None:
    groups: set[int] = set()
    with os.fdopen(reading, encoding="ascii") as pipe:
        for line in pipe:
            (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
    for group in groups:
        signal_group(group, signal.SIGKILL)
    shutil.rmtree(run, ignore_errors=True)
