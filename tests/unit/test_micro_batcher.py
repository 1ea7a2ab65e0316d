"""Micro-batches: everyone gets their own answer, nobody waits for long, nobody is spoiled by another."""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.micro_batcher import MicroBatcher
from app.core.errors import Shed, UnusableInput
from app.core.model import Answer
from app.telemetry.metrics import Histogram
from tests.fake_models import FakeKernel, by_length, info, text_info

LIMIT_OFF = 1e9


@asynccontextmanager
async def batcher(predict, *, limit_seconds=LIMIT_OFF, most_rows=64, facts=None) -> AsyncIterator[MicroBatcher]:
    kernel = FakeKernel(facts or info(heavy=True), predict)
    with ThreadPoolExecutor(1) as executor:
        yield MicroBatcher(
            kernel,
            executor,
            perf_counter,
            limit_seconds=limit_seconds,
            most_rows=most_rows,
            call_seconds=Histogram((1.0,)),
            call_rows=Histogram((1.0,)),
        )


def first_numbers(rows):
    return Answer([row[0] for row in rows])


class Gate:
    """A model that answers only once it is let to; says when it was asked first."""

    def __init__(self, answer=first_numbers):
        self.asked, self.open = threading.Event(), threading.Event()
        self.batches = []
        self._answer = answer

    def __call__(self, rows):
        self.asked.set()
        assert self.open.wait(30)
        self.batches.append(len(rows))
        return self._answer(rows)


async def until_asked(gate):
    await asyncio.to_thread(gate.asked.wait, 30)


@settings(deadline=None, max_examples=60)
@given(
    requests=st.lists(st.lists(st.floats(0, 1e6), min_size=1, max_size=9), min_size=1, max_size=40),
    most_rows=st.integers(1, 30),
)
def test_each_request_gets_the_answers_of_its_own_rows(requests, most_rows):
    async def run():
        async with batcher(first_numbers, most_rows=most_rows) as under_test:
            calls = [under_test.answer([[value] for value in numbers]) for numbers in requests]
            answers = await asyncio.gather(*calls)
            assert [answer.result for answer in answers] == requests
            assert under_test.pending_rows == 0

    asyncio.run(run())


async def test_scores_are_split_like_results():
    async with batcher(by_length, facts=text_info(heavy=True)) as under_test:
        answers = await asyncio.gather(*(under_test.answer(["x" * size]) for size in range(10)))
    assert [answer.score for answer in answers] == [[size / 10] for size in range(10)]


async def test_requests_that_arrive_while_the_model_is_busy_are_answered_by_one_call():
    gate = Gate()
    async with batcher(gate) as under_test:
        calls = [asyncio.create_task(under_test.answer([[1.0]]))]
        await until_asked(gate)
        calls += [asyncio.create_task(under_test.answer([[float(number)]])) for number in range(20)]
        await asyncio.sleep(0)
        assert under_test.pending_rows == 21
        gate.open.set()
        await asyncio.gather(*calls)
        assert gate.batches == [1, 20]
        assert under_test.pending_rows == 0


async def test_no_call_gets_more_rows_than_its_bound():
    gate = Gate()
    async with batcher(gate, most_rows=8) as under_test:
        calls = [asyncio.create_task(under_test.answer([[1.0]] * 3)) for _ in range(10)]
        gate.open.set()
        await asyncio.gather(*calls)
    assert max(gate.batches) <= 8
    assert sum(gate.batches) == 30


def refuses_negative(rows):
    if any(row[0] < 0 for row in rows):
        raise UnusableInput("negative")
    return first_numbers(rows)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from([1.0, 2.0, 3.0, -1.0]), min_size=1, max_size=20))
def test_a_bad_request_spoils_no_other(numbers):
    async def run():
        async with batcher(refuses_negative) as under_test:
            calls = [under_test.answer([[number]]) for number in numbers]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            for number, outcome in zip(numbers, outcomes, strict=True):
                if number < 0:
                    assert isinstance(outcome, UnusableInput)
                else:
                    assert outcome == Answer([number])
            assert under_test.pending_rows == 0
            assert await under_test.answer([[5.0]]) == Answer([5.0])

    asyncio.run(run())


async def test_a_request_that_nobody_waits_for_any_more_spoils_no_other():
    gate = Gate()
    async with batcher(gate) as under_test:
        first, gone, other = (asyncio.create_task(under_test.answer([[float(number)]])) for number in range(3))
        await until_asked(gate)
        gone.cancel()
        await asyncio.sleep(0)
        gate.open.set()
        assert (await first, await other) == (Answer([0.0]), Answer([2.0]))
        assert under_test.pending_rows == 0
        assert await under_test.answer([[7.0]]) == Answer([7.0])


async def crowd(limit_seconds):
    """Send 500 requests of one row to a model of 1 ms a row at least; return its answers, refusals and pending rows."""

    def slow(rows):
        for _ in rows:
            threading.Event().wait(0.001)
        return first_numbers(rows)

    async with batcher(slow, limit_seconds=limit_seconds) as under_test:
        under_test.warm_up()
        calls = [under_test.answer([[float(number)]]) for number in range(500)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        answered = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
        shed = [outcome for outcome in outcomes if isinstance(outcome, Shed)]
        assert len(answered) + len(shed) == 500
        return answered, shed, under_test.pending_rows


async def test_beyond_the_limit_requests_are_refused_and_told_when_to_come_back():
    answered, shed, pending = await crowd(limit_seconds=0.05)
    assert answered
    assert shed
    assert pending == 0
    for refused in shed:
        assert (refused.kind, refused.reason) == ("overloaded", "queue")
        assert refused.retry_after >= 1
        assert "rows wait for iris" in refused.detail


async def test_without_the_limit_nothing_is_refused():
    """The control of the test above."""
    answered, shed, pending = await crowd(limit_seconds=LIMIT_OFF)
    assert (len(answered), len(shed), pending) == (500, 0, 0)


async def test_an_idle_model_takes_even_a_request_larger_than_the_limit():
    async with batcher(first_numbers, limit_seconds=1e-12) as under_test:
        under_test.warm_up()
        assert len((await under_test.answer([[1.0]] * 500)).result) == 500


async def test_after_refusals_requests_are_taken_again():
    gate = Gate()
    async with batcher(gate, limit_seconds=1e-12) as under_test:
        gate.open.set()
        under_test.warm_up()
        gate.open.clear()
        gate.asked.clear()
        first = asyncio.create_task(under_test.answer([[1.0]]))
        await until_asked(gate)
        with pytest.raises(Shed):
            await under_test.answer([[2.0]])
        gate.open.set()
        await first
        assert await under_test.answer([[3.0]]) == Answer([3.0])


async def test_a_model_that_fails_fails_the_request_and_works_on():
    def broken_once(rows):
        if rows[0][0] == 13:
            raise ZeroDivisionError("a defect of the model")
        return first_numbers(rows)

    async with batcher(broken_once) as under_test:
        with pytest.raises(ZeroDivisionError):
            await under_test.answer([[13.0]])
        assert await under_test.answer([[1.0]]) == Answer([1.0])
        assert under_test.pending_rows == 0


async def test_each_call_is_observed_with_its_rows():
    rows_seen, seconds_seen = Histogram((1.0, 8.0)), Histogram((1.0,))
    with ThreadPoolExecutor(1) as executor:
        under_test = MicroBatcher(
            FakeKernel(info(heavy=True), first_numbers),
            executor,
            perf_counter,
            limit_seconds=LIMIT_OFF,
            most_rows=64,
            call_seconds=seconds_seen,
            call_rows=rows_seen,
        )
        await under_test.answer([[1.0]])
        await under_test.answer([[1.0]] * 5)
    assert rows_seen.counts == [1, 1, 0]
    assert rows_seen.total == 6
    assert sum(seconds_seen.counts) == 2
