"""Results in a real Redis."""

import contextlib
from collections.abc import Iterator

import pytest

from app.adapters.result_store import RedisResults
from app.core.errors import StoreAway
from tests.redis_server import RedisServer


@pytest.fixture
def results(redis: RedisServer) -> Iterator[RedisResults]:
    with contextlib.closing(RedisResults(redis.url, 0.5, 60.0)) as store:
        yield store


def test_the_first_result_of_each_job_stands_and_the_others_learn_it(results: RedisResults, redis: RedisServer) -> None:
    assert results.keep_first([("a", b"1"), ("b", b"2"), ("a", b"3")]) == [None, None, b"1"]
    assert results.keep_first([("c", b"4"), ("b", b"5")]) == [None, b"2"]
    assert redis.client.mget("result:a", "result:b", "result:c") == [b"1", b"2", b"4"]
    assert results.keep_first([]) == []


def test_a_batch_is_one_command_and_results_expire(results: RedisResults, redis: RedisServer) -> None:
    results.keep_first([("first", b"")])
    before = redis.calls("evalsha")
    results.keep_first([(str(number), b"x") for number in range(500)])
    assert redis.calls("evalsha") == before + 1
    assert 50_000 < redis.client.pttl("result:7") <= 60_000


@pytest.mark.faults
def test_a_store_that_is_away_or_full_says_so_and_works_again(results: RedisResults, redis: RedisServer) -> None:
    assert results.reachable()
    redis.freeze()
    with pytest.raises(StoreAway, match="Timeout"):
        results.keep_first([("a", b"1")])
    assert not results.reachable()
    redis.thaw()
    redis.kill()
    with pytest.raises(StoreAway):
        results.keep_first([("b", b"1")])
    redis.start()
    assert results.keep_first([("b", b"2")]) == [None]
    redis.client.config_set("maxmemory", 1)
    with pytest.raises(StoreAway, match="memory"):
        results.keep_first([("c", b"1")])
