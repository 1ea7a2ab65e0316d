"""Decisions of the micro-batcher."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.batching import admits, batch_length, retry_after, smoothed

rows = st.integers(1, 2000)


@pytest.mark.parametrize(("waiting", "admitted"), [(0, True), (150, True), (151, False)])
def test_a_request_is_let_in_while_those_ahead_take_no_longer_than_the_limit(waiting, admitted):
    assert admits(waiting, 0.001, 0.15) is admitted


@given(seconds_per_row=st.floats(0, 1e6))
def test_an_idle_model_takes_every_request(seconds_per_row):
    assert admits(0, seconds_per_row, 0.15)


@given(waiting=st.integers(0, 10**6), seconds_per_row=st.floats(0, 10))
def test_retry_after_is_a_positive_number_of_seconds_that_covers_the_queue(waiting, seconds_per_row):
    seconds = retry_after(waiting, seconds_per_row)
    assert seconds >= 1
    assert seconds >= waiting * seconds_per_row
    assert seconds == 1 or seconds - 1 < waiting * seconds_per_row


@given(sizes=st.lists(rows, min_size=1, max_size=50), most=rows)
def test_a_batch_is_the_longest_run_that_fits_and_at_least_one_request(sizes, most):
    count = batch_length(sizes, most)
    assert 1 <= count <= len(sizes)
    assert count == 1 or sum(sizes[:count]) <= most
    assert count == len(sizes) or sum(sizes[: count + 1]) > most


@given(before=st.floats(1e-9, 1), seconds=st.floats(1e-9, 10), size=rows)
def test_the_time_per_row_moves_towards_the_newest_batch(before, seconds, size):
    newest = seconds / size
    after = smoothed(before, seconds, size)
    assert min(before, newest) <= after * (1 + 1e-9)
    assert after <= max(before, newest) * (1 + 1e-9)


def test_the_first_batch_sets_the_time_per_row():
    assert smoothed(0.0, 0.2, 100) == pytest.approx(0.002)


def test_after_a_burst_of_slow_batches_the_time_per_row_comes_back():
    per_row = 1.0
    for _ in range(60):
        per_row = smoothed(per_row, 0.001, 1)
    assert per_row == pytest.approx(0.001, rel=0.01)
