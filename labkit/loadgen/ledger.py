"""The whole run, put together from what its processes report: counts are added, histograms merged exactly."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hdrh.histogram import HdrHistogram

from labkit.loadgen.histograms import decoded, empty, encoded, merge
from labkit.loadgen.recorder import JOB, Key


def write_json(path: Path, facts: Any) -> None:
    """Write a whole file or none: a reader never sees half of it."""
    partial = path.with_suffix(path.suffix + ".part")
    partial.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)


COUNTS = ("sent", "follow_ups", "jobs_accepted", "jobs_answered", "done", "failed")
"""What a second counts, but for its statuses."""


@dataclass
class Entry:
    """All requests of one method and route, or all jobs."""

    statuses: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    errors: dict[str, tuple[int, str]] = field(default_factory=dict)
    service_time: HdrHistogram = field(default_factory=empty)
    response_time: HdrHistogram = field(default_factory=empty)

    @property
    def sent(self) -> int:
        return self.statuses.total()

    def add(self, message: Mapping[str, Any]) -> None:
        self.statuses.update(message["statuses"])
        self.failed += message["failed"]
        for kind, count, example in message["errors"]:
            before, first = self.errors.get(kind, (0, example))
            self.errors[kind] = (before + count, first)
        merge(self.service_time, decoded(message["service_time"]))
        if message["response_time"]:
            merge(self.response_time, decoded(message["response_time"]))

    def to_dict(self, key: Key) -> dict[str, Any]:
        return {
            "method": key[0],
            "name": key[1],
            "sent": self.sent,
            "ok": self.sent - self.failed,
            "failed": self.failed,
            "statuses": dict(sorted(self.statuses.items())),
            "errors": [
                {"kind": kind, "count": count, "example": example}
                for kind, (count, example) in sorted(self.errors.items())
            ],
            "service_time": encoded(self.service_time),
            "response_time": encoded(self.response_time) if self.response_time.total_count else None,
        }


@dataclass
class Second:
    """One second of the whole run; `busy` adds up the last sample of each process."""

    sent: int = 0
    follow_ups: int = 0
    jobs_accepted: int = 0
    jobs_answered: int = 0
    done: int = 0
    failed: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    busy: dict[str, int] = field(default_factory=dict)
    service_time: HdrHistogram | None = None
    response_time: HdrHistogram | None = None

    def add(self, source: str, message: Mapping[str, Any]) -> None:
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + message[name])
        self.statuses.update(message["statuses"])
        self.busy[source] = message["busy"]
        for name in ("service_time", "response_time"):
            if message[name]:
                total = getattr(self, name)
                if total is None:
                    setattr(self, name, total := empty())
                merge(total, decoded(message[name]))

    def to_dict(self, t: int, offered: int | None) -> dict[str, Any]:
        facts: dict[str, Any] = {"t": t}
        if offered is not None:
            facts["offered"] = offered
        return facts | {
            **{name: getattr(self, name) for name in COUNTS},
            "statuses": dict(sorted(self.statuses.items())),
            "busy": sum(self.busy.values()),
            "service_time": encoded(self.service_time) if self.service_time else None,
            "response_time": encoded(self.response_time) if self.response_time else None,
        }


class Ledger:
    """Adds up reports of processes and writes requests.json and timeline.jsonl.

    `offered`: intended starts in each second from the start on; None in a closed loop.
    """

    def __init__(self, offered: list[int] | None = None) -> None:
        self.entries: dict[Key, Entry] = {}
        self.seconds: dict[int, Second] = {}
        self._offered = offered

    def add_second(self, source: str, message: Mapping[str, Any]) -> None:
        self.seconds.setdefault(message["t"], Second()).add(source, message)

    def add_entries(self, messages: list[dict[str, Any]]) -> None:
        for message in messages:
            self.entries.setdefault((message["method"], message["name"]), Entry()).add(message)

    @property
    def sent(self) -> int:
        """All requests; a job is none."""
        return sum(entry.sent for (method, _), entry in self.entries.items() if method != JOB)

    def lines(self, started: int, first: int, until: int) -> list[str]:
        """Return the timeline from second `first` to before `until` of a run that began at `started`."""
        found = []
        for t in range(first, until):
            second = self.seconds.get(t, Second())
            found.append(json.dumps(second.to_dict(t, self._offered_at(t - started))))
        return found

    def _offered_at(self, index: int) -> int | None:
        if self._offered is None:
            return None
        return self._offered[index] if index < len(self._offered) else 0

    def write(self, folder: Path, started: int, ended: float, *, interrupted: bool = False) -> None:
        """Write the exact state of requests.json and timeline.jsonl; an interrupted run's timeline ends early."""
        entries = [entry.to_dict(key) for key, entry in sorted(self.entries.items())]
        write_json(folder / "requests.json", {"unit": "us", "entries": entries})
        planned = started + len(self._offered or [])
        if interrupted:
            planned = min(planned, math.ceil(ended))
        until = max([planned, *(t + 1 for t in self.seconds)])
        partial = folder / "timeline.jsonl.part"
        partial.write_text("".join(line + "\n" for line in self.lines(started, started, until)), encoding="utf-8")
        partial.replace(folder / "timeline.jsonl")
