"""Bounded ways out for log records: nothing waits for them, and what they lose they count."""

import os
import threading
from collections import deque
from typing import NamedTuple, Protocol


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


class Pace(NamedTuple):
    """How a sink is emptied: about `usual` records a turn and `most` at once, then at least `shortest` seconds' rest.

    `shortest` is more than 0, or the drainer would never rest again.
    """

    most: int
    usual: int
    shortest: float


class Outlet(Protocol):
    """Where a sink's thread writes to."""

    pace: Pace

    def write(self, records: list[bytes]) -> int:
        """Hand over records (at least one); return how many were, the others will never be. Raises nothing."""

    def close(self) -> None: ...


class Sink:
    """A bounded buffer before an outlet, emptied by a thread of its own: a stalled outlet stops no other.

    A record waits for `interval` seconds at most while the outlet keeps up: that is what a killed process loses.
    """

    def __init__(self, name: str, outlet: Outlet, capacity: int, fates: Fates, *, interval: float = 0.05) -> None:
        """Hold at most `capacity` records."""
        self.fates = fates
        self._outlet = outlet
        self._capacity = capacity
        self._interval = self._pause = interval
        self._waiting: deque[bytes] = deque()
        self._closing = threading.Event()
        self._drainer = threading.Thread(target=self._drain, name=name, daemon=True)
        self._drainer.start()

    def offer(self, record: bytes) -> None:
        """Take one record, or count it as dropped when the buffer is full. Any thread."""
        if len(self._waiting) >= self._capacity:
            self.fates.dropped()
            return
        self._waiting.append(record)

    def finish(self) -> None:
        """Ask for the end: what waits is written, without waiting for it here."""
        self._closing.set()

    def close(self, within: float = 2.0) -> None:
        """Write what is left, for at most `within` seconds; what a stalled outlet does not take by then is lost."""
        self.finish()
        self._drainer.join(within)

    def _drain(self) -> None:
        while not self._closing.wait(self._pause):
            self._turn()
        rest = threading.Event()
        while self._waiting:
            self._turn()
            rest.wait(self._pause)
        self._outlet.close()

    def _turn(self) -> None:
        """Write some, and choose the pause after which about as many as usual will wait."""
        waiting, pace = self._waiting, self._outlet.pace
        found = len(waiting)
        if found:
            records = [waiting.popleft() for _ in range(min(found, pace.most))]
            self.fates.wrote(self._outlet.write(records), len(records))
        if found > pace.most or self._closing.is_set():
            self._pause = pace.shortest
        else:
            wanted = self._pause * pace.usual / (found or 1)
            self._pause = min(self._interval, max(pace.shortest, wanted))


class Lines:
    """An Outlet: one line a record to a file descriptor. A pipe that nobody reads stalls it."""

    # One write at most: the event loop gets the interpreter back between two of them.
    pace = Pace(most=512, usual=256, shortest=0.001)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, records: list[bytes]) -> int:
        data = memoryview(b"\n".join([*records, b""]))
        done = 0
        try:
            while done < len(data):
                done += os.write(self._fd, data[done:])
        except OSError:
            return bytes(data[:done]).count(b"\n")
        return len(records)

    def close(self) -> None: ...
