"""A folder to unpack and build in, and commands that run in it with visible progress."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from labkit.home import Home
from labkit.stack.obtain.program import Say
from labkit.stack.spawn import die_with


@contextmanager
def workspace(home: Home) -> Iterator[Path]:
    """Give a new folder inside the cache (so that results can be renamed into place) and remove it afterwards.

    Also removes what a killed command left; only one obtains at a time, under the lock of `lab up`.
    """
    home.cache.mkdir(parents=True, exist_ok=True)
    for left in home.cache.glob("obtaining-*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="obtaining-", dir=home.cache))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(command: list[str], folder: Path, say: Say, *, timeout: float, env: Mapping[str, str] | None = None) -> str:
    """Run a command in a folder, with a line every ten seconds while it runs; return its output.

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
                    code = process.wait(timeout=10)
                    break
                except subprocess.TimeoutExpired:
                    elapsed = time.monotonic() - begun
                    if elapsed > timeout:
                        raise
                    say(f"still running {Path(command[0]).name} {command[1]} ({elapsed:.0f} s)")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        output.seek(0)
        text = output.read()
    if code:
        raise subprocess.CalledProcessError(code, command[:2], output="\n".join(text.splitlines()[-5:]))
    return text
