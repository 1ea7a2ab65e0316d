"""The load: wrk, a closed-loop generator, on its own core."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.errors import CannotMeasure
from bench.processes import confined

SCRIPT = Path(__file__).with_name("requests.lua")
BY_HAND = "install wrk (Debian, Ubuntu: apt-get install wrk; macOS: brew install wrk)"


@dataclass(frozen=True)
class Answers:
    """What came of one run. Latencies in microseconds, as the load saw them."""

    requests: int
    seconds: float
    p50_us: int
    p99_us: int
    max_us: int
    refused: int
    """Answers with a status of 400 or more."""
    broken: int
    """Connections refused or lost, and answers that did not come within 2 s."""

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def find() -> str:
    """Return wrk's path, installing it when we are root and may. Raises CannotMeasure when there is none."""
    found = shutil.which("wrk")
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-q", "wrk"], check=False, capture_output=True, timeout=300)
        found = shutil.which("wrk")
    if found is None:
        raise CannotMeasure(f"no wrk on PATH; {BY_HAND}")
    return found


def drive(wrk: str, core: int, url: str, bodies: Path, *, connections: int, seconds: int, first_serial: int) -> Answers:
    """Post the bodies in turn for `seconds`. Raises CannotMeasure."""
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "2s", "-s", str(SCRIPT), url]
    command += ["--", str(bodies), str(first_serial)]
    done = subprocess.run(confined(core, command), capture_output=True, text=True, timeout=seconds + 30, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        raise CannotMeasure(f"wrk against {url} ended with {done.returncode} and said: {said}")
    return Answers(**json.loads(lines[-1]))
