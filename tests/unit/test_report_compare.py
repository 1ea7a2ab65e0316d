"""A comparison shows what differs and nothing that does not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labkit.errors import CannotRun
from labkit.report import build
from labkit.report.bootstrap import Seconds, differences
from labkit.report.compare import Comparison, compare, sentence
from labkit.report.latency import bucket_tops_ms
from labkit.report.summary import Summary
from tests.samples.runs import Knobs, write_run


def sample(runs: Path, name: str, **knobs: Any) -> Summary:
    return build(write_run(runs, Knobs(id=name, seconds=30, rates=(80, 160), stall_at=None, **knobs)))


def by_name(found: Comparison) -> dict[str, Any]:
    return {one.name: one for one in found.differences}


def test_a_run_against_itself_shows_no_difference(tmp_path: Path) -> None:
    one = sample(tmp_path, "a")
    found = compare(one, one)
    assert not any(difference.shown for difference in found.differences)
    assert all("no difference shown" in sentence(difference) for difference in found.differences)


def test_another_run_of_the_same_load_shows_no_difference_in_the_median(tmp_path: Path) -> None:
    found = by_name(compare(sample(tmp_path, "a", seed=1), sample(tmp_path, "b", seed=2)))
    assert not found["p50"].shown
    assert found["p50"].low <= 0 <= found["p50"].high


def test_a_run_shifted_by_three_ms_is_slower_by_three_ms(tmp_path: Path) -> None:
    a, b = sample(tmp_path, "a", seed=1), sample(tmp_path, "b", seed=2, shift_ms=3.0)
    found = by_name(compare(a, b))
    for name in ("p50", "p90", "p99"):
        assert found[name].shown, name
        assert found[name].low <= 3.0 <= found[name].high
        assert sentence(found[name]).startswith(f"B is slower at {name} by ")
    assert not found["goodput"].shown
    assert by_name(compare(b, a))["p50"].difference == -found["p50"].difference
    assert sentence(by_name(compare(b, a))["p50"]).startswith("B is faster at p50 by ")
    assert (Path(b.folder) / "compare-a.html").is_file()


def test_more_failures_are_shown_as_failures(tmp_path: Path) -> None:
    found = by_name(compare(sample(tmp_path, "a", failing=0.001), sample(tmp_path, "b", failing=0.2, seed=3)))
    assert found["errors"].shown
    assert sentence(found["errors"]).startswith("B is failing more by ")
    assert sentence(found["goodput"]).startswith("B answers less by ")


def test_the_interval_is_the_same_each_time(tmp_path: Path) -> None:
    a, b = sample(tmp_path, "a", seed=1), sample(tmp_path, "b", seed=2)
    assert compare(a, b) == compare(a, b)


def test_an_invalid_run_or_another_load_is_said(tmp_path: Path) -> None:
    a, b = sample(tmp_path, "a"), sample(tmp_path, "b", saturated=True)
    assert any("B is invalid" in caution for caution in compare(a, b).cautions)
    other = build(write_run(tmp_path, Knobs(id="c", seconds=30, rates=(50,))))
    found = compare(a, other)
    assert any("the loads differ" in caution for caution in found.cautions)
    assert not found.paired


def test_a_run_too_short_for_an_interval_is_refused(tmp_path: Path) -> None:
    short = build(write_run(tmp_path, Knobs(id="short", seconds=6, stall_at=None)))
    with pytest.raises(CannotRun, match="run short has 6 s"):
        compare(short, sample(tmp_path, "a"))


def test_one_slow_second_widens_the_interval_of_a_tail() -> None:
    """Requests of one second are alike: blocks of seconds are drawn, so that one bad second cannot look certain.

    The control draws each request on its own (one request a second) and finds a narrow interval.
    """
    tops = bucket_tops_ms()
    calm, slow = int(np.searchsorted(tops, 5.0)), int(np.searchsorted(tops, 400.0))
    bursts, even = np.zeros((60, len(tops))), np.zeros((2400, len(tops)))
    bursts[:, calm], even[:, calm] = 40, 1
    bursts[30, [calm, slow]] = 0, 40
    even[::60, calm], even[::60, slow] = 0, 1
    assert (bursts.sum(axis=0) == even.sum(axis=0)).all()
    intervals = []
    for counts in (bursts, even):
        run = Seconds(counts, counts.sum(axis=1), np.zeros(len(counts)))
        calm_counts = np.zeros_like(counts)
        calm_counts[:, calm] = counts.sum(axis=1)
        reference = Seconds(calm_counts, run.done, run.failed)
        intervals.append({one.name: one for one in differences(reference, run, paired=False)}["p99"])
    in_one_second, spread_out = intervals
    assert (in_one_second.low, in_one_second.shown) == (0, False)
    assert in_one_second.high > 390
    assert spread_out.low > 390
