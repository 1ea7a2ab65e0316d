"""Alertmanager 0.25 or newer: on PATH, else the distribution's package unpacked, else built with Go.

Debian's programs read their templates from a fixed folder that exists where the package is installed. In the unpacked
copy that path is made a relative one, and a script starts each program in the unpacked folder: arguments that name
files must be absolute. See docs/decisions/0064.
"""

import os
import socket
import time
from pathlib import Path

from labkit.home import Home
from labkit.stack import spawn
from labkit.stack.logs import last_line
from labkit.stack.obtain import apt, ways
from labkit.stack.obtain.program import Program, Say, first_found, on_path, tool_of
from labkit.stack.obtain.workspace import run, workspace
from labkit.stack.ports import HOST
from labkit.stack.readiness import unready

OLDEST = (0, 25)
PACKAGE = "prometheus-alertmanager"  # also the program's name in Debian
MODULE, RELEASE = "github.com/prometheus/alertmanager/cmd", "0.31.1"
FIXED, RELATIVE = b"/usr/share/prometheus/alertmanager", b"usr/share/prometheus/alertmanager/"  # of one length
STARTER = '#!/bin/sh\ncd "$(dirname "$0")" && exec ./usr/bin/{} "$@"\n'
BY_HAND = "put alertmanager 0.25 or newer on PATH (https://prometheus.io/download)"


def find(home: Home) -> Program | None:
    candidates = (
        (on_path("alertmanager"), "on PATH", ()),
        (on_path(PACKAGE), "on PATH", ()),
        (str(_unpacked(home) / "alertmanager"), "the distribution's package, unpacked into the cache", ()),
        (str(_built(home) / "alertmanager"), "built with Go into the cache", ()),
    )
    return first_found("alertmanager", candidates, OLDEST)


def find_amtool(home: Home) -> Path | None:
    """Return amtool, which checks the configuration: beside the Alertmanager that is used, else on PATH."""
    return tool_of(find(home), "amtool")


def would(home: Home) -> str:
    if apt.has_apt():
        return f"unpack the distribution's package into {home.cache}, 30 MB; else build it with Go"
    if ways.has_go():
        return f"build it with Go into {home.cache}, a minute"
    return BY_HAND


def obtain(home: Home, say: Say) -> Program:
    return ways.first_that_works("alertmanager", (_from_package, _with_go), find, BY_HAND, home, say)


def _unpacked(home: Home) -> Path:
    return home.cache / "alertmanager-package"


def _built(home: Home) -> Path:
    return home.cache / "alertmanager-go"


def _from_package(home: Home, say: Say) -> None:
    def relocate(package: apt.Package) -> None:
        for name, inside in (("alertmanager", PACKAGE), ("amtool", "amtool")):
            program, starter = package.root / "usr/bin" / inside, package.root / name
            program.write_bytes(program.read_bytes().replace(FIXED, RELATIVE))
            starter.write_text(STARTER.format(inside), encoding="ascii")
            starter.chmod(0o755)
        _try_start(package.root / "alertmanager", home, package.folder)

    apt.unpack(PACKAGE, OLDEST, _unpacked(home), say, complete=relocate)


def _try_start(program: Path, home: Home, folder: Path) -> None:
    """Start it with our configuration and stop it; raises LookupError when it does not get ready."""
    with socket.create_server((HOST, 0)) as reserved:
        address = f"{HOST}:{reserved.getsockname()[1]}"
    config, log = home.root / "monitoring/alertmanager/alertmanager.yml", folder / "try.log"
    options = (f"--config.file={config}", f"--storage.path={folder / 'try'}", "--cluster.listen-address=")
    command = (str(program), *options, f"--web.listen-address={address}", "--log.level=warn")
    process = spawn.start(command, os.environ, log, folder)
    deadline = time.monotonic() + 20
    try:
        while unready(f"http://{address}/-/ready"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise LookupError(f"the package's alertmanager does not start: {last_line(log, 500)}")
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()


def _with_go(home: Home, say: Say) -> None:
    """Build both programs of one release; Go holds its modules to the public checksum database."""
    with workspace(home.cache) as folder:
        env = {**ways.go_environment(folder), "GOBIN": str(folder / "bin")}
        say("alertmanager: building it with Go, a minute")
        named = f"-s -w -X github.com/prometheus/common/version.Version={RELEASE}"
        programs = [f"{MODULE}/{name}@v{RELEASE}" for name in ("alertmanager", "amtool")]
        run(["go", "install", "-trimpath", "-ldflags", named, *programs], folder, say, timeout=900, env=env)
        _built(home).mkdir(parents=True, exist_ok=True)
        for program in (folder / "bin").iterdir():
            program.replace(_built(home) / program.name)
