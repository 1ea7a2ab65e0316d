"""Records that wait for the store: bounded in number and in bytes, filled by one thread, emptied by another."""

from collections import deque
from typing import Final

from app.core.log_records import LogRecord

_MOST_BYTES: Final = 64 << 20
"""As they came; a record of the largest kind takes a megabyte."""


class Backlog:
    """A queue whose two ends never wait for each other: each side writes only numbers of its own."""

    def __init__(self, most: int, most_bytes: int = _MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._queue: deque[tuple[LogRecord, int]] = deque()
        self._bytes_in = 0
        self._bytes_out = 0
        self._in_hand = 0

    @property
    def full(self) -> bool:
        return len(self._queue) >= self._most or self._bytes_in - self._bytes_out >= self._most_bytes

    def offer(self, record: LogRecord, size: int) -> bool:
        """Take a record of `size` bytes; say whether there was room."""
        if self.full:
            return False
        self.add(record, size)
        return True

    def add(self, record: LogRecord, size: int) -> None:
        """Take a record in any case: for who stops when `full`, and may have one buffer's worth in hand by then."""
        self._bytes_in += size
        self._queue.append((record, size))

    def take(self, most: int, most_bytes: int) -> list[LogRecord]:
        """Return the oldest records; they count as waiting until `settle` says what became of them."""
        taken: list[LogRecord] = []
        size, queue = 0, self._queue
        for _ in range(min(most, len(queue))):
            record, own = queue.popleft()
            taken.append(record)
            size += own
            if size >= most_bytes:
                break
        self._bytes_out += size
        self._in_hand += len(taken)
        return taken

    def settle(self, count: int) -> None:
        """So many of the records taken wait no more."""
        self._in_hand -= count

    def __len__(self) -> int:
        """Return how many wait, those in the writer's hands included."""
        return len(self._queue) + self._in_hand
