"""A run read: both latencies, distribution, queue."""

import msgspec
import pytest

from labkit.report.latency import merged
from labkit.report.run_folder import Run, read_run
from notebooks.analysis import loads
from tests.samples.runs import Knobs, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """A run whose service stalls for 0.7 s."""
    return read_run(write_run(tmp_path_factory.mktemp("runs")))


def test_the_corrected_percentiles_are_never_below_the_naive_ones(run):
    table = loads.percentiles(loads.both(run))
    assert (table[loads.CORRECTED] >= table[loads.NAIVE]).all()
    assert list(table.index) == ["p50", "p90", "p99", "p99.9", "max"]


def test_a_stall_shows_in_the_corrected_distribution(run):
    table = loads.percentiles(loads.both(run))
    assert table.loc["p99.9", loads.CORRECTED] > 1.5 * table.loc["p99.9", loads.NAIVE] or (
        table.loc["p99", loads.CORRECTED] > 1.5 * table.loc["p99", loads.NAIVE]
    )


def test_the_distribution_function_rises_to_all_requests(run):
    shares = loads.ecdf(loads.both(run))
    assert shares.index.is_monotonic_increasing
    assert (shares.diff().iloc[1:] >= 0).all().all()
    assert shares.iloc[-1].tolist() == [pytest.approx(100), pytest.approx(100)]


def test_the_distribution_function_and_the_percentiles_say_the_same(run):
    both = loads.both(run)
    p90 = loads.percentiles(both).loc["p90", loads.NAIVE]
    assert loads.ecdf(both).loc[p90, loads.NAIVE] == pytest.approx(90, abs=0.5)


def test_the_backlog_is_what_was_offered_and_not_answered(run):
    seconds = loads.by_second(run)
    assert (seconds["backlog"] >= 0).all()
    assert seconds["backlog"].idxmax() == pytest.approx(32, abs=2)  # a stall begins at 31 s
    assert seconds["answered"].sum() == sum(entry.sent for entry in run.entries)


def test_littles_law_holds_between_the_numbers_of_the_queue(run):
    found = loads.queueing(run)
    total = found["throughput (requests/s)"] * found["mean response time (ms)"] / 1000
    assert found["requests in the system (L = λW)"] == pytest.approx(total)
    assert found["mean wait before the send (ms)"] > 0


def test_the_answer_names_both_percentiles(run):
    table = loads.percentiles(loads.both(run))
    said = loads.answer(run)
    assert f"naive p99 is {table.loc['p99', loads.NAIVE]:.1f} ms" in said
    assert f"corrected one {table.loc['p99', loads.CORRECTED]:.1f} ms" in said


def test_a_closed_run_has_one_reading_only(tmp_path):
    run = read_run(write_run(tmp_path, Knobs(mode="closed")))
    run = as_closed(run)
    assert "closed run knows no intended starts" in loads.answer(run)
    assert list(loads.ecdf(loads.both(run)).columns) == [loads.NAIVE]


def test_nothing_has_no_mean():
    assert loads.mean_ms(merged([])) != loads.mean_ms(merged([]))


def as_closed(run: Run) -> Run:
    entries = tuple(msgspec.structs.replace(entry, response_time=None) for entry in run.entries)
    return msgspec.structs.replace(run, entries=entries)
