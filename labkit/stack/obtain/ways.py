"""Several ways to one program, tried one after the other, and what a build with Go needs."""

import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.obtain.program import Program, Say

Way = Callable[[Home, Say], None]


def first_that_works(
    name: str, ways: Iterable[Way], find: Callable[[Home], Program | None], by_hand: str, home: Home, say: Say
) -> Program:
    """Return what `find` finds after the first way that brought it; raises CannotRun with what each one met."""
    tried = []
    for way in ways:
        try:
            way(home, say)
        except subprocess.CalledProcessError as error:
            tried.append(f"{error.cmd[0]}: {(error.output or '').strip().splitlines()[-1:] or error.returncode}")
        except (subprocess.SubprocessError, OSError, LookupError) as error:
            tried.append(str(error))
        else:
            if found := find(home):
                return found
            tried.append("what was obtained does not run on this machine")
        say(f"{name}: {tried[-1]}")
    raise CannotRun(f"{name} cannot be obtained ({'; '.join(tried)}); next: {by_hand}")


def has_go() -> bool:
    return shutil.which("go") is not None


def go_environment(folder: Path) -> dict[str, str]:
    """Return the variables with which everything that Go writes stays in that folder; raises LookupError without Go."""
    if not has_go():
        raise LookupError("no go on PATH")
    return {
        "TMPDIR": str(folder),
        "GOPATH": str(folder / "go"),
        "GOCACHE": str(folder / "build"),
        "GOFLAGS": "-modcacherw -mod=readonly -buildvcs=false",
        "CGO_ENABLED": "0",
    }
