"""The dead man's switch: an alert that always fires, whose silence means that nobody watches any more."""

from pathlib import PurePosixPath
from typing import NamedTuple

from labkit.alerts.notifications import Notification

HEARTBEAT = "Watchdog"
SILENT = "MonitoringSilent"
RUNBOOK = str(PurePosixPath("monitoring/runbooks") / f"{SILENT}.md")


class Limits(NamedTuple):
    """Seconds: `silence` after the last heartbeat is an alert, before the first one `grace` after the start."""

    silence: float = 60.0
    grace: float = 180.0


class Switch:
    """Heard of every Watchdog and asked now and then. `clock` values are monotonic seconds."""

    def __init__(self, limits: Limits, clock: float) -> None:
        self._limits = limits
        self._due = clock + limits.grace
        self._heard = clock
        self._ever = False
        self._silent_since: float | None = None  # epoch seconds

    @property
    def silent(self) -> bool:
        return self._silent_since is not None

    def age(self, clock: float) -> float | None:
        """Return the seconds since the last heartbeat, None before the first."""
        return clock - self._heard if self._ever else None

    def hear(self, notification: Notification, clock: float) -> None:
        """Take a notification of the Watchdog: firing is a heartbeat, resolved is silence at once."""
        if notification.state == "firing":
            self._ever = True
            self._heard, self._due = clock, clock + self._limits.silence
        elif self._ever:
            self._due = clock

    def ask(self, clock: float, now: float) -> Notification | None:
        """Return what is to be told now: that monitoring fell silent, or is back; None when nothing changed."""
        late = clock >= self._due
        if late and self._silent_since is None:
            self._silent_since = now
            return self._told("firing", now, clock)
        if not late and self._silent_since is not None:
            told = self._told("resolved", now, clock)
            self._silent_since = None
            return told
        return None

    def take_back(self, told: Notification) -> None:
        """What `ask` returned could not be written down: it will be told again."""
        self._silent_since = None if told.state == "firing" else told.starts

    def _told(self, state: str, now: float, clock: float) -> Notification:
        since = f"{clock - self._heard:.0f} s ago" if self._ever else "never"
        return Notification(
            at=now,
            alert=SILENT,
            state=state,
            starts=self._silent_since or now,
            severity="page",
            summary="Monitoring is silent: Prometheus or Alertmanager is away"
            if state == "firing"
            else "Monitoring is back",
            description=f"The last {HEARTBEAT} arrived {since}.",
            runbook=RUNBOOK,
            fingerprint=SILENT,
            labels={"alertname": SILENT, "severity": "page"},
        )
