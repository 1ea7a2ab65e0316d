"""What Alertmanager sent, as state changes of alerts: one JSON line each in a file that cannot grow for ever.

The receiver imports this: the standard library's light parts alone, its memory counts in every stack.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

FILE = "notifications.jsonl"
OLDER = "notifications.1.jsonl"
MOST_BYTES = 4 << 20  # of each of the two files
MOST_ALERTS = 10_000  # remembered, so that a repeated notification is known as one
STATES = ("firing", "resolved")


class Unreadable(Exception):
    """What came is no notification of Alertmanager's; the text says what is wrong with it."""


class Notification(NamedTuple):
    """One state change of an alert as it arrived. Times in epoch seconds; `starts` is when the alert began to fire."""

    at: float
    alert: str
    state: str
    starts: float
    severity: str
    summary: str
    description: str
    runbook: str
    fingerprint: str
    labels: dict[str, str]

    @property
    def key(self) -> tuple[str, float]:
        return self.state, self.starts


def parsed(body: bytes, now: float) -> list[Notification]:
    """Read the body of a webhook call (version 4); raises Unreadable."""
    try:
        alerts = json.loads(body)["alerts"]
        return [_notification(alert, now) for alert in alerts]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Unreadable(f"no notification of Alertmanager's: {type(error).__name__} {error}") from None


def _notification(alert: dict[str, Any], now: float) -> Notification:
    labels, notes = dict(alert["labels"]), dict(alert.get("annotations", {}))
    state = alert["status"]
    if state not in STATES or not all(isinstance(text, str) for text in (*labels.values(), *notes.values())):
        raise ValueError(f"status {state!r}, or a label that is no text")
    return Notification(
        at=now,
        alert=labels["alertname"],
        state=state,
        starts=datetime.fromisoformat(alert["startsAt"]).timestamp(),
        severity=labels.get("severity", ""),
        summary=notes.get("summary", ""),
        description=notes.get("description", ""),
        runbook=notes.get("runbook_url", ""),
        fingerprint=str(alert.get("fingerprint") or json.dumps(labels, sort_keys=True)),
        labels=labels,
    )


class Journal:
    """The file of state changes; what it holds already is known again after a restart."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._most_bytes = most_bytes
        self._last: dict[str, tuple[str, float]] = {}
        for one in read(folder):
            self._remember(one)

    def add(self, notification: Notification) -> bool:
        """Write it down unless it repeats what is known; says whether it was new. Raises OSError when it cannot."""
        if self._last.get(notification.fingerprint) == notification.key:
            return False
        path = self._folder / FILE
        line = json.dumps(notification._asdict()).encode() + b"\n"
        if path.exists() and path.stat().st_size + len(line) > self._most_bytes:
            path.replace(self._folder / OLDER)
        with path.open("ab", buffering=0) as file:
            file.write(line)
        self._remember(notification)
        return True

    def _remember(self, one: Notification) -> None:
        self._last.pop(one.fingerprint, None)  # the newest are last
        self._last[one.fingerprint] = one.key
        if len(self._last) > MOST_ALERTS:
            del self._last[next(iter(self._last))]


def read(folder: Path) -> Iterator[Notification]:
    """Yield what was written, oldest first; a torn line is passed over."""
    for name in (OLDER, FILE):
        try:
            lines = (folder / name).read_bytes().splitlines()
        except FileNotFoundError:
            continue
        for line in lines:
            if (one := from_line(line)) is not None:
                yield one


def from_line(line: bytes) -> Notification | None:
    """Read one line of the file, None when it is none."""
    try:
        return Notification(**json.loads(line))
    except (ValueError, TypeError):
        return None
