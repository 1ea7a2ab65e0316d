"""The cache tier in Redis: one MGET for all who wait, a deadline, and a breaker, so that it can only ever help."""

import asyncio
from collections.abc import Callable, Mapping
from hashlib import blake2b

import msgspec

from app.adapters.guarded_redis import FAILURES, GuardedRedis
from app.core.ports import Adds, CachedAnswer
from app.core.rows import UNREADABLE

# A failed tier is asked again after this time, by one request.
_PAUSE_SECONDS = 1.0
# Answers that wait to be written; more are skipped, and counted.
_MOST_PENDING_WRITES = 1024

_decode = msgspec.msgpack.Decoder(CachedAnswer).decode
_encode = msgspec.msgpack.Encoder().encode


class RedisCache:
    """An AnswerCache. All methods belong to one event loop."""

    def __init__(
        self, url: str, deadline: float, ttl: float, counters: Mapping[str, Adds], clock: Callable[[], float]
    ) -> None:
        """`deadline`: seconds that a look-up may take; `ttl`: seconds that an entry lives.

        `counters` by outcome: hit, miss, stored, skipped, error.
        """
        self._guarded = GuardedRedis(url, deadline, _PAUSE_SECONDS, clock)
        self._redis = self._guarded.client
        self._deadline = deadline
        self._ttl_ms = round(ttl * 1000)
        self._count = counters
        self._wanted: dict[bytes, asyncio.Future[CachedAnswer | None]] = {}
        self._unwritten: dict[bytes, CachedAnswer] = {}
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None

    async def find(self, key: bytes) -> CachedAnswer | None:
        """Return the entry, or None when there is none, Redis is away, or it is slower than the deadline."""
        if not self._guarded.may_ask():
            self._count["skipped"].add()
            return None
        future = self._wanted.get(key)
        if future is None:
            future = self._wanted[key] = asyncio.get_running_loop().create_future()
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read_wanted())
        entry = await asyncio.shield(future)  # others may wait for the same key: one who leaves must not cancel it
        self._count["hit" if entry else "miss"].add()
        return entry

    def store(self, key: bytes, entry: CachedAnswer) -> None:
        """Write soon, in one pipeline with others; skipped and counted when Redis is away or too many wait."""
        if self._guarded.resting or len(self._unwritten) >= _MOST_PENDING_WRITES:
            self._count["skipped"].add()
            return
        self._unwritten[key] = entry
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_unwritten())

    @property
    def well(self) -> bool:
        """Whether the last command succeeded (true before the first)."""
        return self._guarded.well

    async def close(self) -> None:
        for task in (self._reader, self._writer):
            if task is not None:
                task.cancel()
        await self._redis.aclose()

    async def _read_wanted(self) -> None:
        while self._wanted:
            wanted, self._wanted = self._wanted, {}
            try:
                async with asyncio.timeout(self._deadline):
                    values = await self._redis.mget([_redis_key(key) for key in wanted])
            except FAILURES:
                await self._failed()
                values = [None] * len(wanted)
            else:
                self._guarded.succeeded()
            for future, value in zip(wanted.values(), values, strict=True):
                future.set_result(_read(value))

    async def _write_unwritten(self) -> None:
        while self._unwritten:
            entries, self._unwritten = self._unwritten, {}
            pipeline = self._redis.pipeline(transaction=False)
            for key, entry in entries.items():
                pipeline.set(_redis_key(key), _encode(entry), px=self._ttl_ms)
            try:
                async with asyncio.timeout(self._deadline):
                    await pipeline.execute()
            except FAILURES:
                await self._failed()
            else:
                self._count["stored"].add(len(entries))

    async def _failed(self) -> None:
        self._count["error"].add()
        await self._guarded.failed()


def _redis_key(key: bytes) -> bytes:
    """Return a short key: bodies may be long. 128 bits make a collision a matter of 2**64 entries."""
    return b"answer:" + blake2b(key, digest_size=16).hexdigest().encode()


def _read(value: bytes | str | None) -> CachedAnswer | None:
    """Return the entry; what some other writer left there and cannot be read is no entry."""
    if not isinstance(value, bytes):
        return None
    try:
        return _decode(value)
    except UNREADABLE:
        return None
