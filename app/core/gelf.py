"""GELF as datagrams carry it: plain, compressed, or in chunks in any order. Pure: the caller has the clock."""

import zlib
from typing import Final

from app.core.log_records import NotARecord

CHUNK: Final = b"\x1e\x0f"
_HEAD: Final = 12  # two magic bytes, eight of the message's id, the chunk's number, how many there are
MOST_CHUNKS: Final = 128
CHUNK_SECONDS: Final = 5.0
"""A message whose chunks are not all there by then is incomplete."""
MOST_BYTES: Final = 1 << 20
"""Of one message, decompressed: what 128 chunks of 8 KB can carry uncompressed."""


def unpacked(data: bytes | bytearray | memoryview) -> bytes | bytearray | memoryview:
    """Return the JSON of a whole message, at most MOST_BYTES of it. Raises NotARecord.

    The first byte tells how it is packed: gzip, zlib or not at all.
    """
    first = data[0] if len(data) else 0
    # 15 | 32: zlib looks at the head and tells the two apart.
    if first == 0x78 or (first == 0x1F and data[1:2] == b"\x8b"):
        inflater = zlib.decompressobj(15 | 32)
        try:
            plain = inflater.decompress(data, MOST_BYTES + 1)
        except zlib.error:
            raise NotARecord("unreadable") from None
        if len(plain) > MOST_BYTES:
            raise NotARecord("too-large")
        if not inflater.eof:
            raise NotARecord("unreadable")
        return plain
    if len(data) > MOST_BYTES:
        raise NotARecord("too-large")
    return data


class _Partial:
    """The chunks of one message that are there."""

    __slots__ = ("chunks", "count", "since", "size")

    def __init__(self, count: int, since: float) -> None:
        self.count = count
        self.since = since
        self.chunks: dict[int, bytes] = {}
        self.size = 0


class Assembly:
    """Puts chunked messages together; bounded in messages, in bytes and in time."""

    def __init__(self, most_messages: int = 1024, most_bytes: int = 16 << 20) -> None:
        self._most_messages = most_messages
        self._most_bytes = most_bytes
        self._partials: dict[bytes, _Partial] = {}  # oldest first
        self._bytes = 0
        # Whole already: what the network delivers twice is no new message.
        self._whole: dict[bytes, float] = {}

    def add(self, data: bytes, now: float) -> bytes | None:
        """Take one datagram that begins like a chunk; return the message when it completes one. Raises NotARecord."""
        if len(data) <= _HEAD or not data.startswith(CHUNK):
            raise NotARecord("unreadable")
        ident, number, count = data[2:10], data[10], data[11]
        if not (number < count <= MOST_CHUNKS):
            raise NotARecord("unreadable")
        if ident in self._whole:
            return None
        partial = self._partials.get(ident)
        if partial is None:
            partial = self._partials[ident] = _Partial(count, now)
        if count != partial.count:
            raise NotARecord("unreadable")
        if number in partial.chunks:
            return None
        chunk = data[_HEAD:]
        partial.chunks[number] = chunk
        partial.size += len(chunk)
        self._bytes += len(chunk)
        if partial.size > MOST_BYTES:
            self._forget(ident)
            raise NotARecord("too-large")
        if len(partial.chunks) < count:
            return None
        self._forget(ident)
        self._whole[ident] = now
        return b"".join(partial.chunks[n] for n in range(count))

    @property
    def crowded(self) -> bool:
        """Whether the bounds are passed: `overdue` makes room."""
        return len(self._partials) > self._most_messages or self._bytes > self._most_bytes

    def overdue(self, now: float) -> int:
        """Give up the messages that are too old, or too many; return how many those were."""
        given_up = 0
        while self._partials:
            ident, oldest = next(iter(self._partials.items()))
            if not self.crowded and now - oldest.since < CHUNK_SECONDS:
                break
            self._forget(ident)
            given_up += 1
        while self._whole:
            ident, since = next(iter(self._whole.items()))
            if now - since < CHUNK_SECONDS and len(self._whole) <= self._most_messages:
                break
            del self._whole[ident]
        return given_up

    def __len__(self) -> int:
        return len(self._partials)

    def _forget(self, ident: bytes) -> None:
        self._bytes -= self._partials.pop(ident).size
