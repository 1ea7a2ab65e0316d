"""The access log: one JSON line a request, encoded once, written by a thread that the event loop never waits for."""

import os
import threading
import time
from collections import deque
from typing import NamedTuple, Protocol

import msgspec

# One write of the drainer at most: the loop gets the interpreter back between two of them.
_MOST_PER_WRITE = 512


class Record(msgspec.Struct, frozen=True):
    """One answered request; `time` in epoch seconds, `duration_us` the service time in microseconds."""

    time: float
    level: str
    event: str
    replica: str
    request_id: str
    method: str
    route: str
    path: str
    status: int
    duration_us: int
    model: str
    version: str


class Adds(Protocol):
    def add(self, amount: int = 1) -> None: ...


class LogCounters(NamedTuple):
    """Fates of a record; each counter is written by one thread only."""

    written: Adds
    dropped: Adds
    """The buffer was full (counted by the event loop's thread)."""
    failed: Adds
    """The sink refused it (counted by the drainer)."""


class AccessLog:
    """A bounded buffer before a file descriptor; what does not fit is dropped and counted, never waited for."""

    def __init__(self, fd: int, capacity: int, counters: LogCounters, *, interval: float = 0.05) -> None:
        """Write to `fd` every `interval` seconds; hold at most `capacity` records meanwhile."""
        self._fd = fd
        self._capacity = capacity
        self._counters = counters
        self._interval = interval
        self._buffer: deque[bytes] = deque()
        self._encode = msgspec.json.Encoder().encode
        self._closing = threading.Event()
        self._drainer = threading.Thread(target=self._drain, name="access-log", daemon=True)
        self._drainer.start()

    def append(self, record: Record) -> None:
        """Take one record, or count it as dropped when the buffer is full."""
        if len(self._buffer) >= self._capacity:
            self._counters.dropped.add()
            return
        self._buffer.append(self._encode(record))

    def close(self, within: float = 2.0) -> None:
        """Write what is left, for at most `within` seconds."""
        self._closing.set()
        self._drainer.join(within)

    def _drain(self) -> None:
        while not self._closing.wait(self._interval):
            self._write_all()
        self._write_all()

    def _write_all(self) -> None:
        while self._buffer:
            lines = [self._buffer.popleft() for _ in range(min(len(self._buffer), _MOST_PER_WRITE))]
            count = len(lines)
            lines.append(b"")
            try:
                _write_fully(self._fd, b"\n".join(lines))
            except OSError:
                self._counters.failed.add(count)
            else:
                self._counters.written.add(count)


def _write_fully(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


class NoLog:
    """The access log switched off, to measure what it costs."""

    def append(self, record: Record) -> None: ...

    def close(self, within: float = 2.0) -> None: ...


def now() -> float:
    """Return the time of a record: epoch seconds."""
    return time.time()
