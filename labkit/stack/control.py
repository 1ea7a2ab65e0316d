"""Starting and stopping the stack from outside: what `lab up` and `lab down` do."""

import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack import catalogue, logs
from labkit.stack.component import Plan
from labkit.stack.entry import claims
from labkit.stack.obtain.program import Say
from labkit.stack.ports import check_free, port_base
from labkit.stack.profiles import chosen
from labkit.stack.record import Identity, Record, read_record
from labkit.stack.setup import choose_edge, make_plan, set_up, write_folders
from labkit.stack.spawn import signal_group

STOP_WITHIN = 40.0  # longer than the longest chain of stop times in the catalogue
KILL_WITHIN = 5.0


def start(home: Home, environ: Mapping[str, str], say: Say, asked: Sequence[str] = ()) -> bool:
    """Start the stack and return once all of it is ready; False when it was up already. `asked` names profiles.

    Raises CannotRun when it cannot be started; then, as after an interrupt, nothing of it is left running.
    """
    base, profiles = port_base(environ), chosen(asked)
    with alone(home):
        record = read_record(home.run)
        if record is not None and record.alive():
            _check_same(record, base, environ, profiles if asked else record.profiles)
            return False
        sweep(home, say)
        edge = choose_edge(home, environ)
        check_free(claims(catalogue.entries(edge, profiles), base), base)
        site = set_up(home, base, edge, profiles, say)
        plan = make_plan(site, edge, profiles)
        try:
            write_folders(site, plan, say)
            supervise(home, plan, say)
        except BaseException:
            shutil.rmtree(home.run, ignore_errors=True)
            raise
    return True


def stop(home: Home, say: Say) -> bool:
    """Stop the stack in reverse order and remove its run folder; False when it was not up."""
    record = read_record(home.run)
    if record is None or not record.alive():
        with alone(home):
            sweep(home, say)
        return False
    _end(record.supervisor, say)
    sweep(home, say)
    return True


def sweep(home: Home, say: Say) -> None:
    """Remove what a supervisor that was killed, or a machine that was switched off, has left."""
    record = read_record(home.run)
    if record is not None:
        if record.guard is not None:
            _gone(record.guard, KILL_WITHIN)  # it may be at this very work
        left = [(name, process) for name, process in record.processes() if process.alive()]
        for name, process in left:
            say(f"killing {name} (pid {process.pid}), left by a stack whose supervisor is gone")
            signal_group(process.pid, signal.SIGKILL)
        for _, process in left:
            _gone(process, KILL_WITHIN)
    shutil.rmtree(home.run, ignore_errors=True)


def supervise(home: Home, plan: Plan, say: Say) -> None:
    """Start the supervisor in a session of its own and follow its events until the stack is up.

    The run folder must hold the plan. Raises CannotRun when something does not start; then all of it is stopped.
    """
    log = logs.log_path(home.logs, "supervisor")
    logs.begin(log)
    reading, writing = os.pipe()
    try:
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "labkit.stack.supervisor", str(home.lab), str(writing)],
                cwd=home.root,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(writing,),
                start_new_session=True,
            )
    finally:
        os.close(writing)
    try:
        with os.fdopen(reading, "rb", buffering=0) as pipe:
            _follow(pipe.fileno(), plan, log_tail=lambda: logs.last_line(log), say=say)
    except BaseException:
        process.send_signal(signal.SIGTERM)
        say("stopping what was started")
        try:
            process.wait(STOP_WITHIN)
        finally:
            process.kill()
            process.wait()
        raise
    process.returncode = 0  # detached on purpose: without this, Popen warns that it still runs


def _follow(pipe: int, plan: Plan, log_tail: Callable[[], str], say: Say) -> None:
    """Say each event of the supervisor until it says that all is up; raises CannotRun when it does not come to that."""
    left = [component.name for component in plan.components]
    buffer = b""
    while True:
        if not select.select([pipe], [], [], 5.0)[0]:
            say(f"waiting for {', '.join(left)}")
            continue
        chunk = os.read(pipe, 65536)
        if not chunk:
            raise CannotRun(f"the supervisor ended: {log_tail()}; next: lab logs supervisor")
        *lines, buffer = (buffer + chunk).split(b"\n")
        for event in map(json.loads, lines):
            match event["event"]:
                case "starting":
                    say(f"{event['name']}: starting")
                case "ready":
                    left.remove(event["name"])
                    say(f"{event['name']}: ready")
                case "failed":
                    raise CannotRun(event["line"])
                case "up":
                    return


def _check_same(record: Record, base: int, environ: Mapping[str, str], profiles: tuple[str, ...]) -> None:
    """Refuse to call a stack "already up" that is not the one asked for."""
    if environ.get("LAB_PORT_BASE") and record.base != base:
        raise CannotRun(f"a stack is up here with LAB_PORT_BASE={record.base}, not {base}; next: lab down")
    wanted = environ.get("EDGE") or record.edge
    if wanted != record.edge:
        raise CannotRun(f"a stack is up here with EDGE={record.edge}, not {wanted}; next: lab down")
    if profiles != record.profiles:
        there, other = " ".join(record.profiles), " ".join(profiles)
        raise CannotRun(f"a stack is up here with the profile {there}, not {other}; next: lab down")


def _end(supervisor: Identity, say: Say) -> None:
    try:
        os.kill(supervisor.pid, signal.SIGTERM)
        for waited in range(int(STOP_WITHIN / KILL_WITHIN)):
            if _gone(supervisor, KILL_WITHIN):
                return
            say(f"still stopping ({(waited + 1) * KILL_WITHIN:.0f} s)")
        os.kill(supervisor.pid, signal.SIGKILL)  # its guard and the kernel end the components
    except ProcessLookupError:
        return
    except PermissionError:
        raise CannotRun(
            f"the stack belongs to another user (supervisor pid {supervisor.pid}); next: lab down as that user"
        ) from None
    _gone(supervisor, KILL_WITHIN)


def _gone(process: Identity, within: float) -> bool:
    """Wait until a process has ended; False when it has not after `within` seconds."""
    deadline = time.monotonic() + within
    while process.alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@contextmanager
def alone(home: Home) -> Iterator[None]:
    """Hold the lock of this folder.

    Raises CannotRun while another command starts or changes the stack, and when the folder belongs to somebody else.
    """
    try:
        home.lab.mkdir(parents=True, exist_ok=True)
        with (home.lab / "lock").open("w", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
    except BlockingIOError:
        raise CannotRun(f"another `lab` command works in {home.lab} at this moment; next: wait for it") from None
    except PermissionError as error:
        raise CannotRun(
            f"{error.filename or home.lab} may not be written by this user; next: LAB_HOME=$HOME/.lab lab up"
        ) from None
