"""The detached process that owns the stack: `python -m labkit.stack.supervisor LAB_FOLDER EVENTS_FD`.

It reads run/plan.json, starts the components in dependency order, reports each step as a JSON line on EVENTS_FD
until all are ready, restarts what crashes afterwards and stops everything in reverse on SIGTERM.
On SIGUSR1 it reads the plan again and makes what runs equal to it: starts what is new, stops what is gone, kills
what is held, starts what is held no longer.
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
from labkit.stack.component import Component, Plan, load_plan, same_process, start_order
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
        self._reread = False
        self._phase = "starting"
        self._wake, wake_end = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake_end, False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGUSR1, self._on_change)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # only to wake up
        # After the fork of the guard, which must not share the descriptor.
        self._guard: Guard = fork_guard(self._run, close=(events, self._wake, wake_end))
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
        self._guard_identity = identify(self._guard.pid)
        self._identity = identify(os.getpid())
        (self._run / "tmp").mkdir(exist_ok=True)
        self._lives = {part.name: self._life(part) for level in start_order(plan.components) for part in level}
        self._leaving: list[Life] = []

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
                if self._advance(life):
                    self._save()
                    if life.state is State.STARTING:
                        self._tell(event="starting", name=life.component.name)
                    elif life.state is State.READY:
                        seconds = round(time.monotonic() - begun, 2)
                        self._tell(event="ready", name=life.component.name, seconds=seconds)
                if trouble := life.trouble():
                    return trouble
            if self._settled(self._lives):
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
            changed = [self._reread and self._adopt(), self._let_go()]
            changed += [self._advance(life) for life in self._lives.values()]
            if any(changed):
                self._save()
            for name, life in self._lives.items():
                logs.bound(logs.log_path(self._lab / "logs", name))
                life.turn_own_log()
            settled = not self._leaving and self._settled(self._lives)
            self._sleep(STEADY_TICK if settled else 5 * STARTING_TICK)

    def _take_down(self) -> None:
        self._phase = "stopping"
        self._leaving += self._lives.values()
        self._lives = {}
        while self._leaving:
            if self._let_go():
                self._save()
            else:
                self._sleep(STARTING_TICK)

    def _adopt(self) -> bool:
        """Take up the plan on the disk; True when that has changed something.

        A plan that cannot be read changes nothing: the reason is in the log, and whoever wrote it waits in vain.
        """
        self._reread = False
        try:
            plan = load_plan(self._run / "plan.json")
            wanted = {part.name: part for level in start_order(plan.components) for part in level}
        except (OSError, ValueError, KeyError, TypeError) as error:
            print(f"plan.json cannot be read, nothing is changed: {error!r}", flush=True)
            return False
        self._plan = plan
        kept = {name: life for name, life in self._lives.items() if same_process(life.component, wanted.get(name))}
        self._leaving += [life for name, life in self._lives.items() if name not in kept]
        self._lives = {name: kept.get(name) or self._life(part) for name, part in wanted.items()}
        for name, life in self._lives.items():
            life.component = wanted[name]
            if life.component.held and life.state is not State.HELD:
                life.hold()
            elif life.state is State.HELD and not life.component.held:
                life.release()
        return True

    def _advance(self, life: Life) -> bool:
        """Start it once all that it needs is there, else let it take its next step; True on a change."""
        if life.state is not State.WAITING or not life.gone:
            return life.step()
        name = life.component.name
        if not self._settled(life.component.needs) or any(other.component.name == name for other in self._leaving):
            return False
        life.start()
        return True

    def _let_go(self) -> bool:
        """Stop what is to leave, each once nothing that leaves needs it any more; True when one is gone."""
        for life in self._leaving:
            name = life.component.name
            needed = any(name in (*other.component.needs, *other.component.before) for other in self._leaving)
            if life.state is not State.STOPPED and not needed:
                life.interrupt()
        left = [life for life in self._leaving if life.state is not State.STOPPED or not life.bury_if_gone()]
        changed = len(left) != len(self._leaving)
        self._leaving = left
        return changed

    def _life(self, component: Component) -> Life:
        log = logs.log_path(self._lab / "logs", component.name)
        logs.begin(log)
        if component.own_log is not None:
            logs.begin(Path(component.own_log))

        def begin(part: Component) -> Any:
            env = spawn.environment(os.environ, part.environment, self._run / "tmp")
            return spawn.start(part.command, env, log, self._run)

        return Life(component, log, begin, self._guard)

    def _settled(self, names: Iterable[str]) -> bool:
        """Tell whether each is ready, or held: nothing waits for what somebody wants to be away."""
        return all(self._lives[name].state in (State.READY, State.HELD) for name in names)

    def _save(self) -> None:
        members = tuple(life.member() for life in (*self._lives.values(), *self._leaving))
        plan = self._plan
        known = (self._identity, self._guard_identity, self._phase, plan.base, plan.edge)
        record = Record(*known, members, plan.number, plan.profiles)
        write_record(self._run, record)
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

    def _on_change(self, _number: int, _frame: FrameType | None) -> None:
        self._reread = True

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
