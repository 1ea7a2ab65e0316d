"""A log of events that remembers."""

import json
from typing import Any

from app.telemetry.event_log import EventLog


class FakeEvents(EventLog):
    """An EventLog without sinks and threads; `records`: what was appended, as it would be read from the log."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def append_line(self, line: bytes) -> None:
        self.records.append(json.loads(line))
