"""Calls of the programs that rule a deployment: docker, docker-compose, kubectl."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from labkit.errors import CannotRun


def called(
    command: Sequence[str],
    shown: str,
    *,
    within: float,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    given: str = "",
    late: str = "",
    failed: str = "",
) -> str:
    """Run a command for at most `within` seconds and return what it printed; `given` is its standard input.

    `environ` is its whole environment. Raises CannotRun, which calls it `shown`, when it does not end (`late`: the next
    step then) and when it fails (`failed`), with the last line it wrote.
    """
    try:
        done = subprocess.run(
            list(command),
            cwd=cwd,
            env=None if environ is None else dict(environ),
            input=given,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CannotRun(f"`{shown}` did not end within {within:.0f} s{late}") from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise CannotRun(f"`{shown}` failed ({done.returncode}): {lines[-1] if lines else 'it wrote nothing'}{failed}")
    return done.stdout
