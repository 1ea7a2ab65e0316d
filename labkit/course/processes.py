"""What a student runs beside the stack: the processes of a Procfile, in the background, ended by pid and start time."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from labkit.course.manifest import Lab
from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.logs import last_line
from labkit.stack.obtain import prometheus, traefik
from labkit.stack.obtain.program import Say
from labkit.stack.ports import free, holder
from labkit.stack.record import Identity, identify, write_whole
from labkit.stack.spawn import signal_group
from labkit.urls import MANY, ONE, Urls

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
READY_WITHIN = 15.0  # seconds
LIVED = 0.5  # what listens on no port has started when it has lived so long
LIVED_BESIDE = 2.0  # the same for what names only ports on which others listen: it may find its own one taken
END_WITHIN = 5.0
TICK = 0.05


@dataclass(frozen=True)
class Served:
    """One process of a student's Procfile."""

    name: str
    process: Identity
    log: Path

    def alive(self) -> bool:
        return self.process.alive()

    def members(self) -> list[int]:
        """Return the processes that it has become, itself among them: its group, which may outlive it."""
        pid = self.process.pid
        if psutil.pid_exists(pid) and not self.alive() and not _zombie(pid):
            return []  # the kernel gives no pid anew while a group has it: that group is gone
        return [one for one in psutil.pids() if _group(one) == pid and not _zombie(one)]


def procfile(folder: Path) -> dict[str, str]:
    """Read `name: command` lines; a line that begins with `#` is a comment.

    Raises CannotRun for a line that is neither, and for a name that comes twice.
    """
    file = folder / "Procfile"
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise CannotRun(f"{file} cannot be read ({error.strerror}); next: lab start {folder.name[:2]}") from error
    except UnicodeDecodeError as error:
        raise CannotRun(f"{file} is not UTF-8 ({error.reason}); next: save it as UTF-8") from error
    commands: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, colon, command = (part.strip() for part in line.partition(":"))
        if not (NAME.fullmatch(name) and colon and command):
            raise CannotRun(f"{file}, line {number}: {line!r} is no `name: command`; next: mend that line")
        if name in commands:
            raise CannotRun(f"{file}, line {number}: there is a {name!r} already; next: give one another name")
        commands[name] = command
    if not commands:
        raise CannotRun(f"{file} lists no process; next: write a line `name: command`")
    return commands


def serve(lab: Lab, folder: Path, home: Home, urls: Urls | None, base: int, only: str | None, say: Say) -> list[Served]:
    """Start what the Procfile lists, or one of it, anew; return once each listens on its ports.

    Its ports are the numbers of its command, a comment at the end included, that lie in the lab's own range. Raises
    CannotRun when a process ends, or nobody listens on one of them; what was started then is stopped again.
    """
    commands = procfile(folder)
    if only is not None and only not in commands:
        raise CannotRun(f"no {only!r} in {folder / 'Procfile'}; there are: {', '.join(commands)}")
    wanted = [only] if only else list(commands)
    stop_served(lab, home, wanted if only else None, say)
    kept = [one for one in served(lab, home) if one.name not in wanted]
    ports = {name: _ports(command, lab, base) for name, command in commands.items()}
    known = {port for one in kept if one.alive() for port in ports.get(one.name, ())}
    for claimant in wanted:
        for port in ports[claimant]:
            if port not in known and not free(port):
                who, end = holder(port)
                raise CannotRun(f"port {port} ({claimant}) is taken{who}; next: {end}, or another port in the Procfile")
    started: list[Served] = []
    env = _environment(home, urls, base)
    try:
        for name in wanted:
            started.append(_start(name, commands[name], folder, env))
            _write(lab.number, home, [*kept, *started])
        for one in started:
            _await(one, ports[one.name], [*kept, *started])
            say(f"{one.name}: runs (pid {one.process.pid})")
    except BaseException:
        stop_served(lab, home, [one.name for one in started], say)
        raise
    return started


def served(lab: Lab, home: Home) -> list[Served]:
    """Return what was started for a lab and not stopped since, dead or alive."""
    return _read(_file(lab.number, home))


def kill_served(lab: Lab, home: Home, name: str) -> None:
    """End one process with SIGKILL. Raises CannotRun when it does not run."""
    one = next((one for one in served(lab, home) if one.name == name and one.alive()), None)
    if one is None:
        raise CannotRun(f"no {name!r} of lab {lab.number} runs; next: lab serve {lab.number}")
    signal_group(one.process.pid, signal.SIGKILL)
    _gone([one])


def stop_served(lab: Lab, home: Home, names: Iterable[str] | None, say: Say) -> bool:
    """End these processes of a lab, all without names; False when none ran."""
    return _stop(lab.number, home, served(lab, home), None if names is None else set(names), say)


def stop_processes(home: Home, say: Say) -> bool:
    """End what was started for any lab."""
    ended = False
    for file in sorted(_folder(home).glob("*.json")):
        ended |= _stop(file.stem, home, _read(file), None, say)
    return ended


def _stop(number: str, home: Home, known: list[Served], names: set[str] | None, say: Say) -> bool:
    ending = [one for one in known if (names is None or one.name in names) and one.members()]
    for one in ending:
        say(f"{one.name}: stopping")
        signal_group(one.process.pid, signal.SIGTERM)
    if not _gone(ending):
        for one in ending:
            if one.members():
                signal_group(one.process.pid, signal.SIGKILL)
        _gone(ending)
    _write(number, home, [one for one in known if names is not None and one.name not in names])
    return bool(ending)


def _start(name: str, command: str, folder: Path, env: Mapping[str, str]) -> Served:
    log = folder / "logs" / f"{name}.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", command],  # becomes a single command itself: its pid is the program's
            env=dict(env),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    one = Served(name, identify(process.pid), log)
    process.returncode = 0  # detached on purpose: without this, Popen warns that it still runs
    return one


def _environment(home: Home, urls: Urls | None, base: int) -> dict[str, str]:
    """Return the student's own environment, the stack's addresses, and its programs on PATH."""
    programs = [Path(sys.executable).parent]
    found = [source.find(home) for source in (traefik, prometheus)]
    programs += [Path(program.path).parent for program in found if program]
    if promtool := prometheus.find_promtool(home):
        programs.append(promtool.parent)
    path = os.pathsep.join([*map(str, dict.fromkeys(programs)), os.environ.get("PATH", os.defpath)])
    addresses = {}
    if urls is not None:
        facts = urls.to_dict()
        addresses = {var: facts[name] for var, name in ONE.items() if facts[name]}
        addresses |= {var: ",".join(facts[name]) for var, name in MANY.items() if facts[name]}
    return {**os.environ, **addresses, "PATH": path, "LAB_PORT_BASE": str(base), "PYTHONUNBUFFERED": "1"}


def _await(one: Served, ports: list[int], all_served: list[Served]) -> None:
    """Return once one of its processes listens on a port of its own, and on all others somebody of the lab does."""
    begun = time.monotonic()
    while one.alive():
        own, lived = _listening([one]), time.monotonic() - begun
        silent = set(ports) - own
        if silent:
            silent -= _listening(all_served)
        if not silent and (own & set(ports) or lived > (LIVED_BESIDE if ports else LIVED)):
            return
        if lived > READY_WITHIN:
            missing = ", ".join(map(str, sorted(silent)))
            raise CannotRun(f"{one.name} does not listen on {missing} after {READY_WITHIN:.0f} s; next: cat {one.log}")
        time.sleep(TICK)
    raise CannotRun(f"{one.name} ended: {last_line(one.log) or 'it said nothing'}; next: cat {one.log}")


def _listening(some: Iterable[Served]) -> set[int]:
    """Return the TCP ports on which they listen and the UDP ports that they hold."""
    found = set()
    for pid in (pid for one in some for pid in one.members()):
        try:
            for socket in psutil.Process(pid).net_connections(kind="inet"):
                if socket.laddr and socket.status in (psutil.CONN_LISTEN, psutil.CONN_NONE):
                    found.add(socket.laddr.port)
        except psutil.Error:
            continue
    return found


def _ports(command: str, lab: Lab, base: int) -> list[int]:
    low, high = lab.ports or (1, 0)
    numbers = dict.fromkeys(int(text) for text in re.findall(r"(?<!\d)\d{4,5}(?!\d)", command))
    return [number for number in numbers if base + low <= number <= base + high]


def _gone(ending: list[Served]) -> bool:
    """Wait until nothing of them runs; False when something still does after END_WITHIN seconds."""
    deadline = time.monotonic() + END_WITHIN
    while any(one.members() for one in ending):
        if time.monotonic() > deadline:
            return False
        time.sleep(TICK)
    for one in ending:  # a child of this very command would stay a zombie
        with contextlib.suppress(ChildProcessError):
            os.waitpid(one.process.pid, os.WNOHANG)
    return True


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except (ProcessLookupError, PermissionError):
        return 0


def _zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def _write(number: str, home: Home, running: list[Served]) -> None:
    file = _file(number, home)
    if not running:
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    facts = [{"name": one.name, "process": asdict(one.process), "log": str(one.log)} for one in running]
    write_whole(file, json.dumps(facts, indent=1))


def _read(file: Path) -> list[Served]:
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        return [Served(one["name"], Identity(**one["process"]), Path(one["log"])) for one in facts]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _folder(home: Home) -> Path:
    return home.lab / "serving"


def _file(number: str, home: Home) -> Path:
    return _folder(home) / f"{number}.json"
