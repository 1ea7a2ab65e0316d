"""Starting one process that ends with its supervisor."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "SYSTEMROOT")


def environment(inherited: Mapping[str, str], own: Mapping[str, str], temporary: Path) -> dict[str, str]:
    """Return the whole environment of a child: a few inherited names, never LAB_*, then its own."""
    kept = {name: inherited[name] for name in KEPT if name in inherited}
    return {**kept, "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1", **own}


def start(
    command: Sequence[str],
    env: Mapping[str, str],
    log: Path,
    folder: Path,
    *,
    dies_with_parent: bool = True,
) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own, its output appended to `log`.

    Call it from the main thread: the kernel sends the death signal when the *thread* that forked ends.
    Raises OSError when the program cannot be started.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            list(command),
            env=dict(env),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=die_with(os.getpid()) if dies_with_parent else None,  # noqa: PLW1509  (one thread only)
        )


def die_with(parent: int) -> Callable[[], None] | None:
    """Return what the child runs between fork and exec so that it is killed when `parent` dies.

    Linux only (prctl(2), PR_SET_PDEATHSIG); elsewhere the guard alone does it. The library is loaded here,
    before the fork.
    """
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def before_exec() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died between fork and prctl: no signal will come any more
            os.kill(os.getpid(), signal.SIGKILL)

    return before_exec


def signal_group(group: int, number: signal.Signals) -> bool:
    """Send a signal to every process of a group; False when there is none left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        return False
    return True
