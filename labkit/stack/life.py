"""The life of one component inside the supervisor: start, ready, crash, back off, stop."""

import signal
import subprocess
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from labkit.stack import logs, spawn
from labkit.stack.component import Component
from labkit.stack.guard import Guard
from labkit.stack.readiness import unready
from labkit.stack.record import Identity, Member, identify

GIVE_UP_AFTER = 10  # crashes in a row without becoming ready


class State(StrEnum):
    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    CRASHED = "crashed"  # will be started again
    FAILED = "failed"  # will not
    HELD = "held"  # killed on request: will not until it is released
    STOPPED = "stopped"


def backoff(crashes: int) -> float:
    """Return the seconds to wait before the start after the n-th crash in a row: 0.25, 0.5, 1, … at most 10."""
    return float(min(10.0, 0.25 * 2 ** (crashes - 1)))


def describe_exit(code: int) -> str:
    """Say how a process ended, from subprocess's return code."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


class Life:
    """One component's process over all its restarts. Times are time.monotonic() seconds."""

    def __init__(
        self, component: Component, log: Path, begin: Callable[[Component], "subprocess.Popen[bytes]"], guard: Guard
    ) -> None:
        self.component = component
        self.log = log
        self.state = State.WAITING
        self.restarts = 0
        self.last_exit: str | None = None
        self.unready = "not asked yet"
        self.since = time.monotonic()
        self._begin = begin
        self._guard = guard
        self._process: subprocess.Popen[bytes] | None = None
        self._identity: Identity | None = None
        self._crashes = 0  # since it was last ready for a while: they lengthen the wait
        self._fruitless = 0  # since it was last ready at all: they end in giving up
        self._due = 0.0

    @property
    def gone(self) -> bool:
        return self._process is None

    def start(self) -> None:
        """Start the process; a program that cannot be executed counts as a crash of the component."""
        self._enter(State.STARTING)
        try:
            self._process = self._begin(self.component)
        except (OSError, subprocess.SubprocessError) as error:
            self._crashed(f"cannot be started: {error}")
            return
        self._guard.watch(self._process.pid)
        self._identity = identify(self._process.pid)

    def step(self) -> bool:
        """Notice an exit, ask a starting process whether it is ready, start again what is due; True on a change."""
        before = self.state
        if self._process is not None and (code := self._process.poll()) is not None:
            self._bury()
            if self.state in (State.HELD, State.WAITING):  # WAITING: released before its end was seen
                self.last_exit = describe_exit(code)
                return True
            self._crashed(describe_exit(code))
        elif self.state is State.STARTING:
            self._ask()
        elif self.state is State.READY and self._crashes and time.monotonic() - self.since > 10:
            self._crashes = 0
        elif self.state is State.CRASHED and time.monotonic() >= self._due:
            self.restarts += 1
            self.start()
        return self.state is not before

    def trouble(self) -> str | None:
        """Return why it did not start, as one line with the next step; None while nothing is wrong."""
        name = self.component.name
        if self.state in (State.CRASHED, State.FAILED):
            return f"{name} crashed ({self.last_exit}): {logs.last_line(self.log)}; next: lab logs {name}"
        if self.state is State.STARTING and self.overdue:
            return f"{name} not ready after {self.component.ready_within:g} s ({self.unready}); next: lab logs {name}"
        return None

    @property
    def overdue(self) -> bool:
        return time.monotonic() - self.since > self.component.ready_within

    def hold(self) -> None:
        """Kill the process with all that it started, and leave it dead."""
        self._enter(State.HELD)
        if self._process is not None:
            spawn.signal_group(self._process.pid, signal.SIGKILL)

    def release(self) -> None:
        """Let it be started again, as if for the first time."""
        self._crashes = self._fruitless = 0
        self._enter(State.WAITING)

    def interrupt(self) -> None:
        """Ask the process to end; also one that is stopped (SIGSTOP) hears it."""
        self._enter(State.STOPPED)
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.send_signal(signal.SIGCONT)

    def turn_own_log(self) -> None:
        """Move the log that the program writes itself aside when it is too large, and have it opened again."""
        path = self.component.own_log
        if path is not None and self.state is State.READY and logs.turn(Path(path)) and self._process is not None:
            self._process.send_signal(signal.SIGUSR1)

    def bury_if_gone(self) -> bool:
        """After `interrupt`: True once the process is gone; kills it when its time to stop is over."""
        if self._process is None:
            return True
        if self._process.poll() is None:
            if time.monotonic() - self.since > self.component.stop_within:
                spawn.signal_group(self._process.pid, signal.SIGKILL)
            return False
        self._bury()
        return True

    def member(self) -> Member:
        return Member(
            self.component.name, self.state, self._identity, self.component.port, self.restarts, self.last_exit
        )

    def _ask(self) -> None:
        for address in self.component.probes:
            if answer := unready(address):
                self.unready = answer
                if self.overdue and self._process is not None:
                    spawn.signal_group(self._process.pid, signal.SIGKILL)  # its exit is seen at the next step
                return
        self._fruitless = 0
        self._enter(State.READY)

    def _crashed(self, how: str) -> None:
        self.last_exit = how
        self._crashes += 1
        self._fruitless += 1
        self._due = time.monotonic() + backoff(self._crashes)
        self._enter(State.FAILED if self._fruitless >= GIVE_UP_AFTER else State.CRASHED)

    def _bury(self) -> None:
        """Forget an ended process, after the rest of its group has been killed."""
        assert self._process is not None
        spawn.signal_group(self._process.pid, signal.SIGKILL)
        self._guard.forget(self._process.pid)
        self._process = self._identity = None

    def _enter(self, state: State) -> None:
        self.state = state
        self.since = time.monotonic()
