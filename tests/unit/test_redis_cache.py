"""The shared cache tier against a real redis-server: it can only ever help."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

import msgspec
import pytest

from app.adapters.redis_cache import RedisCache, _redis_key
from app.core.ports import CachedAnswer
from app.telemetry.catalogue import CACHE_OUTCOMES
from app.telemetry.metrics import Counter

# Generous: these tests are about what happens, not about how fast this machine is at the moment.
DEADLINE = 2.0
ENTRY = CachedAnswer(b'{"result":[1]}', [1])


class Clock:
    """A clock that is put forward by hand, so that nobody has to wait for a pause to end."""

    def __init__(self):
        self.ahead = 0.0

    def __call__(self):
        return perf_counter() + self.ahead


class Cache:
    def __init__(self, url, deadline, ttl):
        self.clock = Clock()
        self.counters = {outcome: Counter() for outcome in CACHE_OUTCOMES}
        self.tier = RedisCache(url, deadline, ttl, self.counters, self.clock)

    @property
    def counted(self):
        return {outcome: counter.value for outcome, counter in self.counters.items() if counter.value}


@asynccontextmanager
async def cache(url, deadline=DEADLINE, ttl=60.0) -> AsyncIterator[Cache]:
    opened = Cache(url, deadline, ttl)
    try:
        yield opened
    finally:
        await opened.tier.close()


async def reached(probe):
    """Let the loop run until `probe` holds."""
    async with asyncio.timeout(15):
        while not probe():  # noqa: ASYNC110  (what is waited for belongs to the cache, which has no event for it)
            await asyncio.sleep(0.01)


async def stored(under_test, key, entry=ENTRY):
    before = under_test.counters["stored"].value
    under_test.tier.store(key, entry)
    await reached(lambda: under_test.counters["stored"].value == before + 1)


async def test_what_was_stored_is_found_by_every_replica(redis):
    entry = CachedAnswer(b'{"result":["Neutral"]}', ["Neutral"], [0.5])
    async with cache(redis.url) as one, cache(redis.url) as other:
        assert await one.tier.find(b"key") is None
        await stored(one, b"key", entry)
        assert await other.tier.find(b"key") == entry
        assert one.counted == {"miss": 1, "stored": 1}
        assert other.counted == {"hit": 1}
        assert one.tier.well


async def test_look_ups_of_one_moment_are_one_mget(redis):
    async with cache(redis.url) as under_test:
        for number in range(0, 50, 2):
            await stored(under_test, b"%d" % number, CachedAnswer(b"%d" % number, [number]))
        before = redis.calls("mget")
        found = await asyncio.gather(*(under_test.tier.find(b"%d" % number) for number in range(50)))
        assert redis.calls("mget") == before + 1
        assert redis.calls("get") == 0
    assert [entry and entry.result for entry in found] == [None if number % 2 else [number] for number in range(50)]
    assert (under_test.counted["hit"], under_test.counted["miss"]) == (25, 25)


async def test_equal_look_ups_share_their_answer(redis):
    async with cache(redis.url) as under_test:
        await stored(under_test, b"key")
        assert await asyncio.gather(*(under_test.tier.find(b"key") for _ in range(20))) == [ENTRY] * 20
        assert under_test.counted["hit"] == 20


async def test_writes_of_one_moment_are_all_written(redis):
    async with cache(redis.url) as under_test:
        for number in range(100):
            under_test.tier.store(b"%d" % number, ENTRY)
        await reached(lambda: under_test.counters["stored"].value == 100)
        assert redis.client.dbsize() == 100


async def test_more_waiting_writes_than_the_bound_are_skipped_and_counted(redis):
    async with cache(redis.url) as under_test:
        for number in range(3000):
            under_test.tier.store(b"%d" % number, ENTRY)
        await reached(lambda: under_test.counters["stored"].value == 1024)
        assert under_test.counters["skipped"].value == 3000 - 1024


async def test_an_entry_lives_for_its_time_only(redis):
    async with cache(redis.url, ttl=60.0) as under_test:
        await stored(under_test, b"key")
        assert 50_000 < redis.client.pttl(_redis_key(b"key")) <= 60_000


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"garbage",
        b"\xc1",
        b"\xff" * 100,
        b'{"payload": 1}',
        b"\x93\x01\x02\x03",
        b"\x93\xc4\x01x" + b"\x91" * 100_000,
        b"\x93\xc4\x01x\x91\xa1\xff\xc0",
    ],
)
async def test_a_value_that_cannot_be_read_is_a_miss(redis, value):
    redis.client.set(_redis_key(b"key"), value)
    async with cache(redis.url) as under_test:
        async with asyncio.timeout(DEADLINE * 5):
            assert await under_test.tier.find(b"key") is None
        assert under_test.counted == {"miss": 1}
        await stored(under_test, b"key")
        assert await under_test.tier.find(b"key") == ENTRY


async def test_a_key_of_another_kind_is_a_miss(redis):
    redis.client.lpush(_redis_key(b"key"), "a", "b")
    async with cache(redis.url) as under_test:
        assert await under_test.tier.find(b"key") is None


async def test_a_frozen_redis_is_given_up_after_the_deadline_left_alone_and_taken_back(redis):
    async with cache(redis.url, deadline=0.1) as under_test:
        await stored(under_test, b"key")
        redis.freeze()
        try:
            async with asyncio.timeout(5):
                assert await under_test.tier.find(b"key") is None
            assert not under_test.tier.well
            assert under_test.counted == {"stored": 1, "miss": 1, "error": 1}
            for _ in range(100):
                assert await under_test.tier.find(b"key") is None
            under_test.tier.store(b"other", ENTRY)
            assert under_test.counted == {"stored": 1, "miss": 1, "error": 1, "skipped": 101}
        finally:
            redis.thaw()
        under_test.clock.ahead += 1.1
        assert await under_test.tier.find(b"key") == ENTRY
        assert under_test.tier.well
        await stored(under_test, b"other")


async def test_without_a_deadline_a_frozen_redis_would_hold_the_request(redis):
    """The control of the test above: with a long deadline the look-up still waits after the time that test allows."""
    async with cache(redis.url, deadline=60.0) as under_test:
        await stored(under_test, b"key")
        redis.freeze()
        try:
            look_up = asyncio.create_task(under_test.tier.find(b"key"))
            done, _ = await asyncio.wait([look_up], timeout=0.5)
            assert not done
        finally:
            redis.thaw()
        assert await look_up == ENTRY


async def test_a_redis_that_is_away_is_asked_by_one_request_a_pause(redis):
    async with cache(redis.url) as under_test:
        redis.kill()
        assert await under_test.tier.find(b"key") is None
        for _ in range(3):
            under_test.clock.ahead += 1.1
            found = await asyncio.gather(*(under_test.tier.find(b"%d" % number) for number in range(50)))
            assert found == [None] * 50
        assert under_test.counters["error"].value == 4
        assert under_test.counters["skipped"].value == 3 * 49


async def test_a_killed_and_restarted_redis_is_used_again(redis):
    async with cache(redis.url) as under_test:
        await stored(under_test, b"key")
        redis.kill()
        assert await under_test.tier.find(b"key") is None
        redis.start()
        under_test.clock.ahead += 1.1
        assert await under_test.tier.find(b"key") is None  # it kept nothing on disk
        assert under_test.tier.well
        await stored(under_test, b"key")
        assert await under_test.tier.find(b"key") == ENTRY


async def test_a_look_up_that_nobody_waits_for_any_more_harms_no_other(redis):
    async with cache(redis.url) as under_test:
        await stored(under_test, b"key")
        gone, stays = (asyncio.create_task(under_test.tier.find(b"key")) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        async with asyncio.timeout(10):
            assert await stays == ENTRY
            assert await under_test.tier.find(b"other") is None
            assert await under_test.tier.find(b"key") == ENTRY


async def test_entries_survive_the_trip_unchanged(redis):
    entry = CachedAnswer(bytes(range(256)), [1.5, -0.0, 1e308], [0.0, 1.0, 0.1])
    async with cache(redis.url) as under_test:
        await stored(under_test, b"\x00\xff" * 1000, entry)
        found = await under_test.tier.find(b"\x00\xff" * 1000)
        assert msgspec.to_builtins(found) == msgspec.to_builtins(entry)
