"""What plain locust did: its CSV files read back, and short trials of a student's locustfile."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from labkit.errors import CannotRun
from labkit.stack.logs import last_line
from labkit.stack.spawn import signal_group

STOP_WITHIN = 10.0  # seconds
TICK = 0.1
EDGE = 3  # lines of the history, one a second, that the inner part of a run leaves out at both ends


@dataclass(frozen=True)
class Counted:
    """Requests that locust has counted, by HTTP method."""

    sent: Mapping[str, int]
    failed: Mapping[str, int]

    @property
    def all_sent(self) -> int:
        return sum(self.sent.values())

    @property
    def all_failed(self) -> int:
        return sum(self.failed.values())


@dataclass(frozen=True)
class LocustRun(Counted):
    """One run as `locust --csv` tells it; milliseconds, epoch seconds. Its last second may be missing there."""

    rate: float
    """Requests a second, over the whole run."""
    p99: float
    longest: float
    users: int
    """The most at once."""
    start: float
    end: float
    inner: tuple[float, float, int]
    """Two moments well inside the run, and the requests between them: whoever came before or after has no part."""


def read_locust_run(prefix: Path) -> LocustRun:
    """Read PREFIX_stats.csv and PREFIX_stats_history.csv. Raises CannotRun for what is missing or says nothing."""
    stats, history = (_rows(prefix.with_name(f"{prefix.name}_{name}.csv")) for name in ("stats", "stats_history"))
    sent, failed = Counter[str](), Counter[str]()
    try:
        (whole,) = (row for row in stats if row["Name"] == "Aggregated")
        for row in stats:
            if row is not whole:
                sent[row["Type"]] += int(row["Request Count"])
                failed[row["Type"]] += int(row["Failure Count"])
        if not sent.total():
            raise CannotRun(f"{prefix.name}: locust sent no request; next: look at the tasks of your locustfile")
        moments = [int(row["Timestamp"]) for row in history]
        early, late = history[EDGE if len(history) > 4 * EDGE else 0], history[-1 - EDGE * (len(history) > 4 * EDGE)]
        return LocustRun(
            sent=sent,
            failed=failed,
            rate=float(whole["Requests/s"]),
            p99=float(whole["99%"]),
            longest=float(whole["Max Response Time"]),
            users=max(int(row["User Count"]) for row in history),
            start=min(moments),
            end=max(moments),
            inner=(
                float(early["Timestamp"]),
                float(late["Timestamp"]),
                int(late["Total Request Count"]) - int(early["Total Request Count"]),
            ),
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise CannotRun(
            f"{prefix.name}_stats.csv is not what locust --csv writes ({error}); next: run it again"
        ) from error


def begin_trial(locustfile: Path, url: str, prefix: Path, users: int, seconds: int) -> "subprocess.Popen[bytes]":
    """Start locust on a locustfile; what it counts and says goes to files that begin with `prefix`.

    It ends by itself after `seconds`, less what its imports take.
    """
    command = [sys.executable, "-m", "locust", "-f", str(locustfile), "--host", url, "--headless", "--only-summary"]
    command += ["-u", str(users), "-r", str(users), "-t", f"{seconds}s", "-s", "2", "--json-file", str(prefix)]
    # A ~/.locust.conf or LOCUST_… would change what is tried.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    with prefix.with_suffix(".log").open("wb") as log:
        return subprocess.Popen(
            command,
            cwd=prefix.parent,
            env={**kept, "HOME": str(prefix.parent), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            process_group=0,
        )


def end_trial(process: "subprocess.Popen[bytes]", prefix: Path, enough: Callable[[], bool], within: float) -> Counted:
    """Wait until `enough` was seen, for at most `within` seconds; end the trial and return what it counted.

    Raises CannotRun with locust's last line when there is nothing.
    """
    deadline = time.monotonic() + within
    while not enough() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(TICK)
    try:
        process.terminate()
        process.wait(STOP_WITHIN)
    except subprocess.TimeoutExpired as error:
        raise CannotRun(f"locust did not end in {STOP_WITHIN:.0f} s; next: look for endless loops") from error
    finally:
        if process.poll() is None:
            signal_group(process.pid, signal.SIGKILL)
            process.wait()
    try:
        entries = json.loads(prefix.with_suffix(".json").read_bytes())
    except (OSError, ValueError) as error:
        raise CannotRun(f"locust ended: {last_line(prefix.with_suffix('.log'))}; next: mend your locustfile") from error
    sent, failed = Counter[str](), Counter[str]()
    for entry in entries:
        sent[entry["method"]] += entry["num_requests"]
        failed[entry["method"]] += entry["num_failures"]
    if not sent.total():
        raise CannotRun("locust sent no request; next: look at the tasks of your locustfile")
    return Counted(sent, failed)


def _rows(file: Path) -> list[dict[str, str]]:
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            return list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        told = "is not there yet" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise CannotRun(f"{file.name} {told}; next: run locust with --csv") from error
