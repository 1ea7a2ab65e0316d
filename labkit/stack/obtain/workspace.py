"""A folder to unpack and build in, and commands that run in it with visible progress."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from labkit.stack.obtain.program import Say
from labkit.stack.spawn import die_with


@contextmanager
def workspace(cache: Path) -> Iterator[Path]:
    """Give a new folder inside the cache (so that results can be renamed into place) and remove it afterwards.

    Also removes what a killed command left; only one obtains at a time: under the lock of `lab up` in a state folder,
    under the lock of the cache in the user's.
    """
    cache.mkdir(parents=True, exist_ok=True)
    for left in cache.glob("obtaining-*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="obtaining-", dir=cache))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(
    command: list[str],
    folder: Path,
    say: Say,
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    progress: Callable[[], str] | None = None,
) -> str:
    """Run a command in a folder, with a line every ten seconds while it runs; return its output.

    With `progress`, what that returns is the line, every three seconds.

    Temporary files of the command go into the folder. Raises subprocess.CalledProcessError, whose `output` has the
    last lines, or TimeoutExpired; the command is ended in any case.
    """
    begun = time.monotonic()
    full = {**os.environ, "TMPDIR": str(folder), **(env or {})}
    with (folder / "output.txt").open("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=full,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=die_with(os.getpid()),  # noqa: PLW1509  (one thread only)
        )
        try:
            while True:
                try:
                    code = process.wait(timeout=3 if progress else 10)
                    break
                except subprocess.TimeoutExpired:
                    elapsed = time.monotonic() - begun
                    if elapsed > timeout:
                        raise
                    still = f"still running {Path(command[0]).name} {command[1]} ({elapsed:.0f} s)"
                    say(progress() if progress else still)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        output.seek(0)
        text = output.read()
    if code:
        raise subprocess.CalledProcessError(code, command[:2], output="\n".join(text.splitlines()[-5:]))
    return text


def reason(error: Exception) -> str:
    """Return the last line that a failed command wrote, else what the error says; cut to what fits into a line."""
    lines = (getattr(error, "output", None) or str(error)).strip().splitlines()
    return lines[-1][:200] if lines else type(error).__name__
