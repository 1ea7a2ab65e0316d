"""Replicas ask each other for predictions through a real Redis."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from app.adapters.recall import _MOST_PENDING, RedisRecall
from app.core.ports import Recalled
from tests.eventually import eventually
from tests.redis_server import RedisServer, running_redis

FOUND = Recalled("sentiment", "v2", msgspec.Raw('"¡Bien!"'.encode()), "Positivo")


@pytest.fixture
async def opened() -> AsyncIterator:
    """Opens replicas: `await opened(url, known={...})` hears the others when it returns."""
    replicas: list[RedisRecall] = []

    async def open_one(url: str, known: dict[str, Recalled] | None = None, deadline: float = 5.0) -> RedisRecall:
        replicas.append(RedisRecall(url, deadline, (known or {}).get))
        await until(lambda: replicas[-1].well)
        return replicas[-1]

    yield open_one
    for one in replicas:
        await one.close()


async def until(probe) -> None:
    """Poll in a thread, so that this loop goes on."""
    await asyncio.to_thread(eventually, probe)


async def found_again(asking: RedisRecall) -> None:
    loop = asyncio.get_running_loop()
    await until(lambda: asyncio.run_coroutine_threadsafe(asking.find("a"), loop).result(10) == FOUND)


async def test_what_one_replica_remembers_another_finds(opened, redis: RedisServer):
    asking, _, _ = await opened(redis.url), await opened(redis.url), await opened(redis.url, {"a": FOUND})
    assert await asking.find("a") == FOUND


async def test_many_questions_at_once_get_each_its_own_answer(opened, redis: RedisServer):
    known = {str(n): Recalled("iris", "v1", msgspec.Raw(b"[%d]" % n), n) for n in range(_MOST_PENDING)}
    asking, _ = await opened(redis.url), await opened(redis.url, known)
    assert await asyncio.gather(*map(asking.find, known)) == list(known.values())


async def test_what_nobody_remembers_is_not_found_within_the_deadline(opened, redis: RedisServer):
    asking, _ = await opened(redis.url, deadline=0.1), await opened(redis.url, {"a": FOUND})
    assert await asking.find("b") is None


async def test_a_replica_alone_waits_for_nobody(opened, redis: RedisServer):
    """With a deadline longer than the test may take."""
    asking = await opened(redis.url, {"a": FOUND}, deadline=600.0)
    async with asyncio.timeout(20):
        assert await asking.find("a") is None


async def test_more_questions_than_the_bound_are_not_asked(opened, redis: RedisServer):
    asking, _ = await opened(redis.url, deadline=600.0), await opened(redis.url)
    waiting = [asyncio.create_task(asking.find(str(n))) for n in range(_MOST_PENDING)]
    await until(lambda: redis.calls("publish") == _MOST_PENDING)
    async with asyncio.timeout(20):
        assert await asking.find("one more") is None
    assert redis.calls("publish") == _MOST_PENDING
    assert not any(task.done() for task in waiting)
    for task in waiting:
        task.cancel()


async def test_what_cannot_be_read_is_passed_over(opened, redis: RedisServer):
    asking, _ = await opened(redis.url), await opened(redis.url, {"a": FOUND})
    for message in (b"", b"[]", b"{", b"\xff", b'["a", 1]', b"[" * 5000):
        redis.client.publish("recall:questions", message)
        redis.client.publish(asking._mailbox, message)
    assert await asking.find("a") == FOUND


async def test_a_replica_can_be_closed_at_any_moment_of_its_start(redis: RedisServer):
    """Moments are turns of the event loop."""
    for turns in range(60):
        replica = RedisRecall(redis.url, 5.0, {}.get)
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await replica.close()


@pytest.mark.faults
async def test_redis_that_died_is_found_again(opened, redis: RedisServer):
    asking, _ = await opened(redis.url), await opened(redis.url, {"a": FOUND})
    redis.kill()
    await until(lambda: not asking.well)
    assert await asking.find("a") is None
    redis.start()
    await found_again(asking)


@pytest.mark.faults
async def test_redis_that_hangs_costs_the_deadline_and_no_more(opened, redis: RedisServer):
    asking, _ = await opened(redis.url, deadline=0.2), await opened(redis.url, {"a": FOUND})
    redis.freeze()
    assert [await asking.find("a") for _ in range(3)] == [None, None, None]
    redis.thaw()
    await found_again(asking)


async def test_replicas_of_different_stores_do_not_hear_each_other(opened, redis: RedisServer, tmp_path):
    """The control: it is the store that connects them."""
    (tmp_path / "other").mkdir()
    with running_redis(tmp_path / "other") as other:
        asking, _ = await opened(redis.url, deadline=0.2), await opened(other.url, {"a": FOUND})
        assert await asking.find("a") is None
