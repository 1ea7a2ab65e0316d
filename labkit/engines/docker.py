"""Calls of the Docker command line, for the engines whose containers it runs (compose.py, swarm.py)."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from labkit.engines.calls import called
from labkit.errors import CannotRun
from labkit.stack.spawn import KEPT

NEXT = "next: start Docker, or `lab up` without it"
IMAGE = "observability-lab"
UNITS = {"B": 1, "kB": 1e3, "KiB": 1024, "MB": 1e6, "MiB": 1024**2, "GB": 1e9, "GiB": 1024**3}


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
    if shutil.which(program) is None:
        raise CannotRun(f"no `{program}` on PATH; {NEXT}")
    shown = f"{program} {' '.join(arguments)}"
    late = "; next: docker ps -a"
    return called([program, *arguments], shown, within=within, environ=environ, cwd=cwd, late=late)


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


def own_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what Docker's commands need of a shell: what it has exported for the lab must not reach containers."""
    return {n: v for n, v in environ.items() if n in KEPT or n.startswith(("DOCKER_", "SSH_", "XDG_"))}


def image_of(release: str) -> str:
    return f"{IMAGE}:{release}"


def has_image(release: str) -> bool:
    return bool(docker("images", "-q", image_of(release)).strip())


def check_image(release: str) -> None:
    """Raises CannotRun when the engine has no image of that release."""
    if not has_image(release):
        raise CannotRun(f"there is no image {image_of(release)}; next: make image RELEASE={release}")


def usage(containers: Sequence[str]) -> dict[str, tuple[int | None, float | None]]:
    """Return bytes of memory, the page cache left out, and percent of a core of each running container, by its name."""
    if not containers:
        return {}
    return {
        one["Name"]: (size_of(one["MemUsage"].partition(" /")[0]), percent_of(one["CPUPerc"]))
        for one in records("stats", "--no-stream", *containers)
    }


def size_of(text: str) -> int | None:
    """Return bytes of what Docker writes as 12.5MiB, None for anything else."""
    number = text.rstrip("kKMGiB")
    unit = UNITS.get(text[len(number) :])
    try:
        return round(float(number) * unit) if unit else None
    except ValueError:
        return None


def percent_of(text: str) -> float | None:
    """Return the number of what Docker writes as 2.5%, None for anything else."""
    try:
        return float(text.rstrip("%"))
    except ValueError:
        return None
