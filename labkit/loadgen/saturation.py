"""Was it the generator that was slow? Its CPU in windows of 5 s, the share sent on schedule, how late it woke up."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

WINDOW = 5.0
MOST_CPU_PERCENT = 80.0
LEAST_ACHIEVED = 0.99
MOST_WOKE_LATE = 0.05
"""Seconds, at the 99th percentile. A generator that gets no processor is late without being busy itself."""


@dataclass(frozen=True)
class CpuReading:
    """CPU seconds that a process had used at a moment; `source` tells processes of several machines apart."""

    t: float
    source: str
    pid: int
    cpu_seconds: float


@dataclass
class TicketCounts:
    """What became of the tickets of scheduled processes."""

    intended: int = 0
    sent: int = 0
    on_schedule: int = 0
    waited: int = 0
    """Tickets whose time came while every user had a request under way."""

    def add(self, other: "TicketCounts") -> None:
        self.intended += other.intended
        self.sent += other.sent
        self.on_schedule += other.on_schedule
        self.waited += other.waited

    @property
    def unsent(self) -> int:
        return self.intended - self.sent

    @property
    def achieved(self) -> float:
        return self.on_schedule / self.intended if self.intended else 1.0


def tolerance(duration: float) -> float:
    """Return how many seconds after the end of the schedule a request still counts as sent on schedule: 1 %."""
    return max(0.01 * duration, 0.1)


def cpu_windows(readings: Iterable[CpuReading]) -> list[dict[str, Any]]:
    """Return the CPU use in percent of one core over the 5 s before each reading, for each process.

    A process that was watched for less than 5 s gives one window: all of it.
    """
    by_process: dict[tuple[str, int], list[CpuReading]] = {}
    for reading in sorted(readings, key=lambda reading: reading.t):
        by_process.setdefault((reading.source, reading.pid), []).append(reading)
    windows = []
    for (_, pid), series in by_process.items():
        oldest = 0
        short = series[-1].t - series[0].t < WINDOW
        for newest, reading in enumerate(series):
            while oldest + 1 < newest and reading.t - series[oldest + 1].t >= WINDOW:
                oldest += 1
            first = series[oldest]
            seconds = reading.t - first.t
            if seconds >= WINDOW * 0.99 or (short and newest == len(series) - 1 and seconds > 0):
                percent = 100 * (reading.cpu_seconds - first.cpu_seconds) / seconds
                windows.append({"t": round(reading.t, 3), "pid": pid, "percent": round(percent, 1)})
    return sorted(windows, key=lambda window: (window["t"], window["pid"]))


def reasons(
    windows: list[dict[str, Any]], tickets: TicketCounts | None, users: int, woke_late: float = 0.0
) -> list[str]:
    """Return why the run measures its generator instead of the service; empty when it does not.

    `tickets` None: a closed loop. `woke_late`: p99 of how late the generator noticed that a request was due, seconds.
    """
    found = []
    if windows:
        worst = max(windows, key=lambda window: window["percent"])
        if worst["percent"] > MOST_CPU_PERCENT:
            found.append(
                f"generator process {worst['pid']} used {worst['percent']:.0f} % of a core over 5 s "
                f"(limit {MOST_CPU_PERCENT:.0f} %); use more --processes or a lower --rate"
            )
    if tickets is not None and tickets.achieved < LEAST_ACHIEVED:
        line = (
            f"{100 * tickets.achieved:.1f} % of {tickets.intended} intended requests were sent on schedule "
            f"(limit {100 * LEAST_ACHIEVED:.0f} %), {tickets.unsent} never"
        )
        if tickets.waited:
            line += (
                f"; {tickets.waited} found all {users} users busy: the service was slower than the rate, or add --users"
            )
        found.append(line)
    if tickets is not None and woke_late > MOST_WOKE_LATE:
        found.append(
            f"the generator woke up {woke_late * 1000:.0f} ms late (p99, limit {MOST_WOKE_LATE * 1000:.0f} ms): "
            "something else had its processor; stop other programs or lower --rate"
        )
    return found
