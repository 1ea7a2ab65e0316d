"""What a process did, one record each: answered requests, jobs, feedback. Encoded once, for every sink."""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Final

from app.telemetry.events import Record, encode
from app.telemetry.log_sinks import Sink

# Records that go out together: one system call's worth (see gelf_udp.py), and few enough to stay in the processor's
# cache from their making to their end.
_TOGETHER: Final = 64


class EventLog:
    """Gives records to every sink, some at a time, in the thread that appends; a few that are left wait for `interval`.

    Records are appended by one thread: the one that does what is logged. Nothing of it waits.
    """

    def __init__(self, sinks: Sequence[Sink], *, interval: float = 0.025) -> None:
        self._sinks = sinks
        self._interval = interval
        self._waiting: deque[bytes] = deque()
        self._handing_over = threading.Lock()
        self._closing = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep, name="event-log", daemon=True)
        self._sweeper.start()

    def append(self, record: Record) -> None:
        """Encode one record for all sinks; each takes it, or counts it as dropped."""
        self.append_line(encode(record))

    def append_line(self, line: bytes) -> None:
        """The same for a record that is encoded already."""
        self._waiting.append(line)
        if len(self._waiting) >= _TOGETHER and self._handing_over.acquire(blocking=False):
            try:
                self._hand_over()
            finally:
                self._handing_over.release()

    def close(self) -> None:
        """Hand over what waits; the sinks are closed by who made them."""
        self._closing.set()
        self._sweeper.join()

    def _sweep(self) -> None:
        more = True
        while more:
            for sink in self._sinks:
                sink.tend()
            more = not self._closing.wait(self._interval)
            while self._waiting:
                with self._handing_over:
                    self._hand_over()

    def _hand_over(self) -> None:
        """Give the oldest records to all sinks. The lock is held."""
        waiting = self._waiting
        records = [waiting.popleft() for _ in range(min(_TOGETHER, len(waiting)))]
        if records:
            for sink in self._sinks:
                sink.take(records)


class NoLog:
    """The log of events switched off, to measure what it costs."""

    def append(self, record: Record) -> None: ...

    def append_line(self, line: bytes) -> None: ...
