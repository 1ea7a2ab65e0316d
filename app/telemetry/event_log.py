"""What a process did, one record each: answered requests, jobs, feedback. Encoded once, for every sink."""

from collections.abc import Sequence

from app.telemetry.events import Record, encode
from app.telemetry.log_sinks import Sink


class EventLog:
    """Gives each record to every sink; the caller never waits. One thread: the one that does what is logged."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._offers = [sink.offer for sink in sinks]

    def append(self, record: Record) -> None:
        """Encode one record for all sinks; each takes it, or counts it as dropped."""
        line = encode(record)
        for offer in self._offers:
            offer(line)


class NoLog:
    """The log of events switched off, to measure what it costs."""

    def append(self, record: Record) -> None: ...
