"""What was notified, how long after the fault, and what fires or is about to fire now."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from labkit.alerts.notifications import FILE, Notification, from_line, read
from labkit.home import Home
from labkit.marks import Mark, marks

LOOK_BACK_S = 900.0  # a fault that is older than that did not cause the alert
DEADLINE = httpx.Timeout(5.0, connect=1.0)
LOOK_AGAIN_S = 0.5


@dataclass(frozen=True)
class Told:
    """A notification and, when one fires, the fault before it; `delay` is the seconds from that fault to the news."""

    notification: Notification
    fault: Mark | None = None

    @property
    def delay(self) -> float | None:
        return None if self.fault is None else self.notification.at - self.fault.time

    def to_dict(self) -> dict[str, Any]:
        fault = None if self.fault is None else asdict(self.fault)
        return {**self.notification._asdict(), "fault": fault, "delay_s": self.delay}


@dataclass(frozen=True)
class Active:
    """An alert as Prometheus has it now: state is pending or firing, `since` epoch seconds."""

    alert: str
    state: str
    since: float
    severity: str
    summary: str
    value: str
    labels: dict[str, str]


def told(home: Home, folder: Path, since: float) -> list[Told]:
    """Return the notifications that arrived since then (epoch seconds), oldest first."""
    return with_faults(home, [one for one in read(folder) if one.at >= since])


def with_faults(home: Home, notifications: Iterable[Notification]) -> list[Told]:
    """Put the nearest fault before its start beside each notification of an alert that fires."""
    found = list(notifications)
    if not found:
        return []
    first = min(one.starts for one in found) - LOOK_BACK_S
    faults = [mark for mark in marks(home, first, time.time()) if mark.kind == "fault"]
    return [Told(one, _before(faults, one.starts) if one.state == "firing" else None) for one in found]


def _before(faults: list[Mark], starts: float) -> Mark | None:
    causes = (mark for mark in faults if starts - LOOK_BACK_S <= mark.time <= starts)
    return max(causes, key=lambda mark: mark.time, default=None)


def follow(folder: Path) -> Iterator[Notification]:
    """Yield what is written from now on, for ever."""
    path = folder / FILE
    seen, size = _size(path)
    torn = b""
    while True:
        time.sleep(LOOK_AGAIN_S)
        inode, now = _size(path)
        if inode != seen:  # it was turned into the older file; the new one is read from its start
            seen, size, torn = inode, 0, b""
        if now == size:
            continue
        with path.open("rb") as file:
            file.seek(size)
            *lines, torn = (torn + file.read(now - size)).split(b"\n")
        size = now
        yield from (one for line in lines if (one := from_line(line)) is not None)


def _size(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_ino, found.st_size


def active(prometheus: str) -> list[Active]:
    """Ask Prometheus for the alerts that are pending or firing. Raises httpx.HTTPError, ValueError."""
    with httpx.Client(timeout=DEADLINE, trust_env=False) as client:
        answer = client.get(f"{prometheus}/api/v1/alerts").raise_for_status().json()
    return [
        Active(
            alert=one["labels"]["alertname"],
            state=one["state"],
            since=datetime.fromisoformat(one["activeAt"]).timestamp(),
            severity=one["labels"].get("severity", ""),
            summary=one["annotations"].get("summary", ""),
            value=one["value"],
            labels=one["labels"],
        )
        for one in answer["data"]["alerts"]
    ]
