"""Calls of the Docker command line, for the engines whose containers it runs (compose.py, swarm.py)."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from labkit.errors import CannotRun

NEXT = "next: start Docker, or `lab up` without it"


def docker(
    *arguments: str, within: float = 60.0, cwd: Path | None = None, environ: Mapping[str, str] | None = None
) -> str:
    """Run `docker ...` for at most `within` seconds and return what it printed.

    `environ` is the whole environment of the command. Raises CannotRun when it fails, with the last line it wrote.
    """
    return call("docker", *arguments, within=within, cwd=cwd, environ=environ)


def call(
    program: str,
    *arguments: str,
    within: float = 60.0,
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> str:
    """Run a program as `docker` does."""
    shown = f"{program} {' '.join(arguments)}"
    if shutil.which(program) is None:
        raise CannotRun(f"no `{program}` on PATH; {NEXT}")
    try:
        done = subprocess.run(
            [program, *arguments],
            cwd=cwd,
            env=None if environ is None else dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CannotRun(f"`{shown}` did not end within {within:.0f} s; next: docker ps -a") from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise CannotRun(f"`{shown}` failed ({done.returncode}): {lines[-1] if lines else 'it wrote nothing'}")
    return done.stdout


def records(*arguments: str, within: float = 60.0) -> Iterator[dict[str, Any]]:
    """Yield what a `docker ... --format json` command prints, one object a line."""
    for line in docker(*arguments, "--format", "{{json .}}", within=within).splitlines():
        yield json.loads(line)


def inspect(kind: str, *names: str) -> list[dict[str, Any]]:
    """Return what the engine knows of containers, services, networks or tasks; `kind` may be empty (any)."""
    if not names:
        return []
    found: list[dict[str, Any]] = json.loads(docker(*([kind] if kind else []), "inspect", *names))
    return found


def check_engine() -> str:
    """Return the version of the engine that answers. Raises CannotRun when none does."""
    return docker("version", "--format", "{{.Server.Version}}", within=20.0).strip()
