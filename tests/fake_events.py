"""A log of events that remembers."""

import json
from typing import Any

from app.telemetry.event_log import EventLog
from app.telemetry.events import Record, encode


class FakeEvents(EventLog):
    """An EventLog without sinks; `records`: what was appended, as it would be read from the log."""

    def __init__(self) -> None:
        super().__init__(())
        self.records: list[dict[str, Any]] = []

    def append(self, record: Record) -> None:
        self.records.append(json.loads(encode(record)))
