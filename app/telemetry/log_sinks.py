"""Ways out for log records: nothing waits for them, and what they lose they count."""

import os
import threading
from collections import deque
from typing import Protocol

from app.telemetry.gelf_udp import GelfUdp

# Pieces of one write; the system takes 1,024.
_AT_ONCE = 64


class Adds(Protocol):
    def add(self, amount: int = 1) -> None: ...


class Fates:
    """What became of the records of one sink. Any thread: the lock is taken once a batch, or when one is dropped."""

    def __init__(self, written: Adds, dropped: Adds, failed: Adds) -> None:
        self._written, self._dropped, self._failed = written, dropped, failed
        self._lock = threading.Lock()

    def dropped(self, count: int = 1) -> None:
        """Count records that a full buffer had no room for."""
        with self._lock:
            self._dropped.add(count)

    def wrote(self, written: int, of: int) -> None:
        """Count a batch: what was handed over, and the rest, which was refused."""
        with self._lock:
            self._written.add(written)
            self._failed.add(of - written)


class Sink(Protocol):
    """Takes records and never waits; any thread, one at a time."""

    fates: Fates

    def take(self, records: list[bytes]) -> None: ...

    def tend(self) -> None:
        """See to what may take its time, in a thread that may wait."""
        ...

    def close(self, within: float) -> None:
        """Write what is left, for at most `within` seconds; what a stalled sink does not take by then is lost."""
        ...


class LineSink:
    """One line a record to a file descriptor, by a thread of its own: a pipe that nobody reads stops only that.

    What is taken is one piece of memory from then on: thousands of small ones would push the service's own data out
    of the processor's cache.
    """

    def __init__(self, fd: int, capacity: int, fates: Fates, *, interval: float = 0.025) -> None:
        """Hold at most `capacity` records; write every `interval` seconds."""
        self.fates = fates
        self._fd = fd
        self._capacity = capacity
        self._interval = interval
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._held = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._writer = threading.Thread(target=self._run, name="log-lines", daemon=True)
        self._writer.start()

    def take(self, records: list[bytes]) -> None:
        """Take records as far as there is room; the others are dropped and counted. Any thread."""
        with self._lock:
            room = min(len(records), self._capacity - self._held)
            self._held += room
            if room:
                self._waiting.append((b"\n".join([*records[:room], b""]), room))
        if room < len(records):
            self.fates.dropped(len(records) - room)

    def tend(self) -> None: ...

    def close(self, within: float) -> None:
        self._closing.set()
        self._writer.join(within)

    def _run(self) -> None:
        while not self._closing.wait(self._interval):
            self._write_all()
        self._write_all()

    def _write_all(self) -> None:
        if not self._waiting:
            return
        with self._lock:
            batches = list(self._waiting)
            self._waiting.clear()
        for start in range(0, len(batches), _AT_ONCE):
            some = batches[start : start + _AT_ONCE]
            count = sum(count for _, count in some)
            self.fates.wrote(write_lines(self._fd, [lines for lines, _ in some]), count)
            with self._lock:
                self._held -= count


def write_lines(fd: int, pieces: list[bytes]) -> int:
    """Write pieces of whole lines, however long it takes; return how many lines were taken until one was refused."""
    try:
        done = os.writev(fd, pieces)
    except OSError:
        return 0
    if done == sum(map(len, pieces)):
        return sum(piece.count(b"\n") for piece in pieces)
    # A pipe took what it had room for.
    lines = b"".join(pieces)
    try:
        while done < len(lines):
            done += os.write(fd, memoryview(lines)[done:])
    except OSError:
        pass
    return lines[:done].count(b"\n")


class GelfSink:
    """GELF by UDP: a datagram never waits, so that nothing is held here."""

    def __init__(self, udp: GelfUdp, fates: Fates) -> None:
        self.fates = fates
        self._udp = udp

    def take(self, records: list[bytes]) -> None:
        self.fates.wrote(self._udp.write(records), len(records))

    def tend(self) -> None:
        self._udp.connect()

    def close(self, within: float) -> None:  # noqa: ARG002  (nothing is left)
        self._udp.close()
