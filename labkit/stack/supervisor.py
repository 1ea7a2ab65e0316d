"""The detached process that owns the stack: `python -m labkit.stack.supervisor LAB_FOLDER EVENTS_FD`.

It reads run/plan.json, starts the components in dependency order, reports each step as a JSON line on EVENTS_FD
until all are ready, restarts what crashes afterwards and stops everything in reverse on SIGTERM.
One thread and few imports: it must stay small, and the kernel's death signal is tied to the forking thread.
"""

import json
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any

from labkit.stack import logs, spawn
from labkit.stack.component import Component, Plan, load_plan, start_order
from labkit.stack.guard import Guard, fork_guard
from labkit.stack.life import Life, State
from labkit.stack.record import Record, identify, write_record, write_whole

STARTING_TICK = 0.02
STEADY_TICK = 1.0


class NobodyWaits(Exception):
    """The command that asked for the start is gone."""


class Supervisor:
    """Runs one plan; `lab` is the state folder, `events` the descriptor that `lab up` reads."""

    def __init__(self, plan: Plan, lab: Path, events: int) -> None:
        self._plan = plan
        self._lab = lab
        self._run = lab / "run"
        self._events: int | None = events
        self._stop = False
        self._phase = "starting"
        self._wake, wake_end = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake_end, False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # only to wake up
        # After the fork of the guard, which must not share the descriptor.
        self._guard: Guard = fork_guard(self._run, close=(events, self._wake, wake_end))
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
        self._guard_identity = identify(self._guard.pid)
        self._identity = identify(os.getpid())
        (self._run / "tmp").mkdir(exist_ok=True)
        self._lives = {part.name: self._life(part) for level in start_order(plan.components) for part in level}

    def run(self) -> int:
        """Return the exit code: 0 after an ordinary stop, 2 when the stack did not come up."""
        code = 0
        try:
            if trouble := self._bring_up():
                code = 2
                self._tell(event="failed", line=trouble)
            else:
                self._keep_up()
        except NobodyWaits:
            self._events, code = None, 2
        self._take_down()
        self._guard.dismiss()
        return code

    def _bring_up(self) -> str | None:
        """Start everything; return None when all is ready, else the line that says what went wrong."""
        begun = time.monotonic()
        self._save()
        while not self._stop:
            for life in self._lives.values():
                if life.state is State.WAITING and self._all(life.component.needs, State.READY):
                    life.start()
                    self._tell(event="starting", name=life.component.name)
                    self._save()
                if life.state is not State.WAITING and life.step():
                    self._save()
                    if life.state is State.READY:
                        seconds = round(time.monotonic() - begun, 2)
                        self._tell(event="ready", name=life.component.name, seconds=seconds)
                if trouble := life.trouble():
                    return trouble
            if self._all(self._lives, State.READY):
                self._phase = "up"
                self._save()
                self._tell(event="up")
                assert self._events is not None
                os.close(self._events)
                self._events = None
                return None
            self._sleep(STARTING_TICK)
        return "stopped during the start"

    def _keep_up(self) -> None:
        while not self._stop:
            changed = [life.step() for life in self._lives.values()]
            if any(changed):
                self._save()
            for name in self._lives:
                logs.bound(logs.log_path(self._lab / "logs", name))
            settled = self._all(self._lives, State.READY)
            self._sleep(STEADY_TICK if settled else 5 * STARTING_TICK)

    def _take_down(self) -> None:
        """Stop in reverse order: a component once nothing that needs it is left. May be called again."""
        self._phase = "stopping"
        left = [life for life in self._lives.values() if not life.gone]
        stopping: list[Life] = []
        while left:
            for life in left:
                users = [other for other in left if life.component.name in other.component.needs]
                if life not in stopping and not users:
                    life.interrupt()
                    stopping.append(life)
            still = [life for life in left if life not in stopping or not life.bury_if_gone()]
            if len(still) != len(left):
                self._save()
            elif still:
                self._sleep(STARTING_TICK)
            left = still

    def _life(self, component: Component) -> Life:
        log = logs.log_path(self._lab / "logs", component.name)
        logs.begin(log)

        def begin(part: Component) -> Any:
            env = spawn.environment(os.environ, part.environment, self._run / "tmp")
            return spawn.start(part.command, env, log, self._run)

        return Life(component, log, begin, self._guard)

    def _all(self, names: Iterable[str], state: State) -> bool:
        return all(self._lives[name].state is state for name in names)

    def _save(self) -> None:
        members = tuple(life.member() for life in self._lives.values())
        plan = self._plan
        write_record(
            self._run, Record(self._identity, self._guard_identity, self._phase, plan.base, plan.edge, members)
        )
        if self._phase == "up":
            pids = {member.name: member.process.pid for member in members if member.process}
            facts = {**plan.urls, "pids": {"supervisor": self._identity.pid, **pids}}
            write_whole(self._run / "urls.json", json.dumps(facts, indent=1))

    def _tell(self, **event: object) -> None:
        if self._events is None:
            return
        try:
            os.write(self._events, json.dumps(event).encode() + b"\n")
        except BrokenPipeError:
            raise NobodyWaits from None

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop = True

    def _sleep(self, seconds: float) -> None:
        """Wait, but not longer than until a signal arrives: a child that ended, a request to stop."""
        select.select([self._wake], [], [], seconds)
        try:
            os.read(self._wake, 4096)
        except BlockingIOError:
            return


def main() -> int:
    lab, events = Path(sys.argv[1]), int(sys.argv[2])
    run = lab / "run"
    try:
        return Supervisor(load_plan(run / "plan.json"), lab, events).run()
    finally:
        shutil.rmtree(run, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
