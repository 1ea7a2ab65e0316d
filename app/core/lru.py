"""A cache in memory, bounded in entries and bytes: least recently used first, every entry after its time to live."""

import math
from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

# One entry takes a 64th part of the bytes at most.
_SHARE = 64


class LruCache(Generic[K, V]):
    """At most `capacity` entries of `most_bytes` in all; the caller says the time (seconds, any monotonic clock)."""

    def __init__(self, capacity: int, ttl: float, most_bytes: float = math.inf) -> None:
        self._capacity = capacity
        self._ttl = ttl
        self._most_bytes = most_bytes
        self._bytes = 0
        self._entries: OrderedDict[K, tuple[float, V, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K, now: float) -> V | None:
        """Return the value, or None when there is none or its time is over."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        expires, value, size = entry
        if expires <= now:
            del self._entries[key]
            self._bytes -= size
            return None
        self._entries.move_to_end(key)
        return value

    def put(self, key: K, value: V, now: float, size: int = 0) -> None:
        """Keep `value`, which takes about `size` bytes; one that would push out many others is not kept."""
        before = self._entries.pop(key, None)
        if before is not None:
            self._bytes -= before[2]
        if size > self._most_bytes / _SHARE:
            return
        self._entries[key] = (now + self._ttl, value, size)
        self._bytes += size
        while len(self._entries) > self._capacity or self._bytes > self._most_bytes:
            self._bytes -= self._entries.popitem(last=False)[1][2]
