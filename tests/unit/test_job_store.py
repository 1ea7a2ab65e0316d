"""The store of jobs against a real redis-server: one claim each, an exact quota, and never a long wait."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from time import perf_counter

import pytest

from app.adapters.job_store import RedisJobStore
from app.core import jobs
from app.core.errors import StoreAway
from app.core.jobs import JobResult, JobView
from app.core.ports import Claim

# Generous: these tests are about what happens, not about how fast this machine is at the moment.
DEADLINE = 5.0
IDENT = "0123456789abcdef" * 2
BODY, OTHER_BODY = jobs.fingerprint(b"{}"), jobs.fingerprint(b"[]")
NEW = Claim("new")


class Clock:
    """A clock that is put forward by hand, so that nobody has to wait for a pause to end."""

    def __init__(self):
        self.ahead = 0.0

    def __call__(self):
        return perf_counter() + self.ahead


@contextlib.asynccontextmanager
async def opened(server, deadline=DEADLINE, ttl=60.0, rate=0.001, burst=1000, clock=perf_counter) -> AsyncIterator:
    """Open a store; at its rate of one in 1,000 s no quota grows back within a test."""
    store = RedisJobStore(server.url, deadline, ttl, rate, burst, clock)
    try:
        yield store
    finally:
        await store.close()


def result(client="ana", ident=IDENT, **changes):
    facts = {"status": "done", "model": "iris", "version": "v1", "result": [0, 2]} | changes
    return JobResult(id=ident, client=client, request_id="r", accepted=1.0, answered=2.0, **facts)


def answer(server, one):
    """Write a result as a worker does."""
    server.client.set(f"result:{one.id}", jobs.encode(one), nx=True, px=60_000)


# --- claims


async def test_of_many_claims_of_one_key_exactly_one_is_new(redis):
    async with opened(redis) as one, opened(redis) as other:
        claims = await asyncio.gather(
            *((one, other)[number % 2].claim("ana", IDENT, BODY, keyed=True) for number in range(200))
        )
    assert Counter(claim.outcome for claim in claims) == {"new": 1, "pending": 199}


async def test_a_key_belongs_to_the_body_that_came_first_whatever_became_of_it(redis):
    async with opened(redis) as store:
        assert await store.claim("ana", IDENT, BODY, keyed=True) == NEW
        for step in (None, store.withdraw, store.accepted):
            if step:
                await step(IDENT)
            assert (await store.claim("ana", IDENT, OTHER_BODY, keyed=True)).outcome == "other-body"


async def test_what_kafka_has_is_accepted_and_noted_once(redis):
    async with opened(redis) as store:
        await store.claim("ana", IDENT, BODY, keyed=True)
        assert await store.accepted(IDENT) is True
        assert await store.accepted(IDENT) is False
        assert (await store.claim("ana", IDENT, BODY, keyed=True)).outcome == "accepted"


async def test_a_withdrawn_claim_is_nobodys_job_and_can_be_made_again(redis):
    async with opened(redis) as store:
        for _ in range(2):
            assert await store.claim("ana", IDENT, BODY, keyed=True) == NEW
            assert await store.find("ana", IDENT) == JobView(id=IDENT, status="queued")
            await store.withdraw(IDENT)
            assert await store.find("ana", IDENT) is None


async def test_who_took_over_a_claim_cannot_withdraw_what_the_first_got_accepted(redis):
    async with opened(redis) as store:
        await store.claim("ana", IDENT, BODY, keyed=True)
        await store.accepted(IDENT)
        await store.withdraw(IDENT)
        assert await store.find("ana", IDENT) == JobView(id=IDENT, status="queued")
        assert (await store.claim("ana", IDENT, BODY, keyed=True)).outcome == "accepted"


async def test_a_withdrawn_random_id_leaves_nothing(redis):
    async with opened(redis) as store:
        await store.claim("ana", IDENT, BODY, keyed=False)
        await store.withdraw(IDENT)
        await store.withdraw("f" * 32)
    assert redis.client.keys("job:*") == []


async def test_records_live_for_their_time_also_after_they_were_changed(redis):
    async with opened(redis, ttl=60.0) as store:
        for change in (store.accepted, store.withdraw):
            await store.claim("ana", IDENT, BODY, keyed=True)
            await change(IDENT)
            assert 50_000 < redis.client.pttl(f"job:{IDENT}") <= 60_000
            redis.client.delete(f"job:{IDENT}")


async def test_claims_of_one_moment_are_one_round_trip(redis):
    async with opened(redis) as store:
        await store.claim("ana", IDENT, BODY, keyed=True)  # connects, and loads the scripts
        before = redis.client.info()["total_reads_processed"]
        await asyncio.gather(*(store.claim("ana", f"{n:032x}", BODY, keyed=False) for n in range(100)))
        # The pipeline may arrive in a few pieces; the second INFO is one, too.
        assert redis.client.info()["total_reads_processed"] - before < 20
        assert redis.client.exists(*(f"job:{n:032x}" for n in range(100))) == 100


async def test_scripts_that_redis_forgot_are_loaded_again(redis):
    async with opened(redis) as store:
        await store.claim("ana", IDENT, BODY, keyed=True)
        redis.client.script_flush()
        assert (await store.claim("ana", IDENT, BODY, keyed=True)).outcome == "pending"
        redis.client.script_flush()
        assert await store.accepted(IDENT)
        assert store.well


# --- the quota


async def test_a_burst_is_taken_to_the_last_and_not_one_more(redis):
    async with opened(redis, burst=10) as store:
        claims = await asyncio.gather(*(store.claim("ana", f"{n:032x}", BODY, keyed=False) for n in range(50)))
        assert Counter(claim.outcome for claim in claims) == {"new": 10, "over-quota": 40}
        assert await store.claim("eva", IDENT, BODY, keyed=False) == NEW
    assert len(redis.client.keys("job:*")) == 11


async def test_the_refusal_says_when_the_next_is_taken(redis):
    """At one in 100 s, the next is due 100 s after the first: less what has passed since."""
    async with opened(redis, rate=0.01, burst=2) as store:
        began = perf_counter()
        for number in range(2):
            assert await store.claim("ana", f"{number:032x}", BODY, keyed=False) == NEW
        refused = await store.claim("ana", IDENT, BODY, keyed=False)
        passed = perf_counter() - began
    assert refused.outcome == "over-quota"
    assert 100 - passed - 0.01 <= refused.retry_after <= 100


async def test_a_quota_grows_back_at_its_rate(redis):
    """The arrival time is moved back by hand, as far as time would have passed."""
    async with opened(redis, rate=0.01, burst=3) as store:
        await asyncio.gather(*(store.claim("ana", f"{n:032x}", BODY, keyed=False) for n in range(3)))
        due = int(redis.client.get("quota:ana"))
        redis.client.set("quota:ana", due - 200_000_000)
        claims = [await store.claim("ana", f"a{n:031x}", BODY, keyed=False) for n in range(3)]
    assert [claim.outcome for claim in claims] == ["new", "new", "over-quota"]


async def test_a_repetition_costs_nothing_and_is_never_over_quota(redis):
    async with opened(redis, burst=1) as store:
        await store.claim("ana", IDENT, BODY, keyed=True)
        assert (await store.claim("ana", "f" * 32, BODY, keyed=True)).outcome == "over-quota"
        await store.accepted(IDENT)
        for _ in range(5):
            assert (await store.claim("ana", IDENT, BODY, keyed=True)).outcome == "accepted"


async def test_a_full_quota_takes_no_memory_once_it_has_grown_back(redis):
    async with opened(redis, rate=1000.0, burst=5) as store:
        await store.claim("ana", IDENT, BODY, keyed=False)
        assert redis.client.pttl("quota:ana") <= 1


# --- what is found


async def test_a_job_is_found_by_its_owner_only(redis):
    async with opened(redis) as store:
        await store.claim("ana", IDENT, BODY, keyed=False)
        assert await store.find("ana", IDENT) == JobView(id=IDENT, status="queued")
        assert await store.find("eva", IDENT) is None
        answer(redis, result())
        assert await store.find("ana", IDENT) == jobs.view(result())
        assert await store.find("eva", IDENT) is None


async def test_a_result_is_found_by_its_owner_also_when_the_record_is_gone(redis):
    async with opened(redis) as store:
        answer(redis, result(status="failed", reason="wrong-shape"))
        assert (await store.find("ana", IDENT)).status == "failed"
        assert await store.find("eva", IDENT) is None


@pytest.mark.parametrize("value", [b"", b"garbage", b"{}", b"\xff", b"[" * 100_000])
async def test_a_result_that_cannot_be_read_is_none(redis, value):
    redis.client.set(f"result:{IDENT}", value)
    async with opened(redis) as store:
        assert await store.find("ana", IDENT) is None
        assert store.well


# --- Redis is full, stopped, away


async def test_a_full_store_refuses_claims_but_still_tells_of_jobs(redis):
    async with opened(redis) as store:
        await store.claim("ana", IDENT, BODY, keyed=False)
        redis.client.config_set("maxmemory-policy", "noeviction")
        redis.client.config_set("maxmemory", 1)
        with pytest.raises(StoreAway, match="OutOfMemory"):
            await store.claim("ana", "f" * 32, BODY, keyed=False)
        assert not store.well
        assert await store.find("ana", IDENT) == JobView(id=IDENT, status="queued")
        redis.client.config_set("maxmemory", 0)
        assert await store.claim("ana", "f" * 32, BODY, keyed=False) == NEW
        assert store.well


async def refused(store, calls=1):
    """Claim and find; return how often the store was away."""
    answers = await asyncio.gather(
        *(store.claim("ana", f"{n:032x}", BODY, keyed=True) for n in range(calls)),
        *(store.find("ana", f"{n:032x}") for n in range(calls)),
        return_exceptions=True,
    )
    return sum(isinstance(answer, StoreAway) for answer in answers)


async def test_a_frozen_store_is_given_up_after_the_deadline_left_alone_and_taken_back(redis):
    clock = Clock()
    async with opened(redis, deadline=0.2, clock=clock) as store:
        await store.claim("ana", IDENT, BODY, keyed=True)
        redis.freeze()
        try:
            async with asyncio.timeout(5):
                assert await refused(store, 50) == 100
            assert not store.well
            async with asyncio.timeout(5):
                for _ in range(100):
                    assert await refused(store) == 2
                await store.withdraw(IDENT)
        finally:
            redis.thaw()
        clock.ahead += 1.1
        assert (await store.claim("ana", IDENT, BODY, keyed=True)).outcome == "pending"
        assert store.well


async def test_without_a_deadline_a_frozen_store_would_hold_the_request(redis):
    """The control of the test above: with a long deadline the claim still waits long after 0.2 s."""
    async with opened(redis, deadline=60.0) as store:
        await store.claim("ana", IDENT, BODY, keyed=True)
        redis.freeze()
        try:
            claim = asyncio.create_task(store.claim("ana", IDENT, BODY, keyed=True))
            done, _ = await asyncio.wait([claim], timeout=1.0)
            assert not done
        finally:
            redis.thaw()
        assert (await claim).outcome == "pending"


async def test_a_killed_store_is_asked_by_one_request_a_pause_and_used_again_when_it_is_back(redis):
    clock = Clock()
    async with opened(redis, clock=clock) as store:
        await store.claim("ana", IDENT, BODY, keyed=True)
        redis.kill()
        assert await refused(store) == 2
        redis.start()
        assert await refused(store, 20) == 40  # within the pause nobody asks
        clock.ahead += 1.1
        assert await store.claim("ana", IDENT, BODY, keyed=True) == NEW  # this Redis keeps nothing on disk
        assert store.well


async def test_a_claim_that_nobody_waits_for_any_more_harms_no_other(redis):
    async with opened(redis) as store:
        gone, stays = (asyncio.create_task(store.claim("ana", f"{n:032x}", BODY, keyed=True)) for n in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        async with asyncio.timeout(10):
            assert await stays == NEW
            assert await store.claim("ana", IDENT, BODY, keyed=True) == NEW
