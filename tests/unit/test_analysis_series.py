"""Prometheus's range answers as data frames, and what is computed from them."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from notebooks.analysis import series
from notebooks.analysis.capacity import usl


def answer(*found: tuple[dict[str, str], list[float]], start: float = 1000.0) -> dict[str, Any]:
    result = [
        {"metric": labels, "values": [[start + n, str(value)] for n, value in enumerate(values)]}
        for labels, values in found
    ]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


def test_a_frame_has_a_column_for_each_series_and_seconds_as_its_index():
    frame = series.frame(answer(({"status": "200"}, [1, 2]), ({"status": "503"}, [0, 5])), by="status")
    assert frame.to_dict() == {"200": {0.0: 1.0, 1.0: 2.0}, "503": {0.0: 0.0, 1.0: 5.0}}


def test_buckets_are_sorted_as_numbers_with_infinity_last():
    frame = series.frame(answer(({"le": "+Inf"}, [3]), ({"le": "10"}, [2]), ({"le": "0.5"}, [1])), by="le")
    assert list(frame.columns) == ["0.5", "10", "+Inf"]


def test_a_series_without_labels_is_called_all():
    assert list(series.frame(answer(({}, [1]))).columns) == ["all"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"status": "error", "error": "parse error"}, "refused the query: parse error"),
        (answer(), "no sample of that time; next: lab load smoke"),
    ],
)
def test_what_is_no_answer_is_told_in_words(said, told):
    with pytest.raises(ValueError, match=told):
        series.frame(said)


def test_a_steady_counter_has_its_slope_as_rate():
    counters = pd.DataFrame({"all": [100.0 + 7 * n for n in range(10)]}, index=[float(n) for n in range(10)])
    assert series.rates(counters, 5)["all"].iloc[6:].tolist() == [7.0] * 4


def test_a_counter_that_began_anew_counts_from_zero_and_never_falls():
    counters = pd.DataFrame({"all": [100.0, 110.0, 4.0, 14.0]}, index=[0.0, 1.0, 2.0, 3.0])
    assert series.rates(counters, 1)["all"].iloc[1:].tolist() == [10.0, 4.0, 10.0]


def test_a_percentile_lies_in_its_bucket_by_the_share_of_requests_below():
    buckets = pd.DataFrame([[50.0, 90.0, 100.0, 100.0]], columns=["0.1", "0.2", "0.4", "+Inf"])
    assert series.bucket_percentile(50, buckets)[0] == pytest.approx(0.1)
    assert series.bucket_percentile(95, buckets)[0] == pytest.approx(0.3)


def test_a_percentile_beyond_the_last_bound_is_that_bound_and_without_requests_it_is_unknown():
    buckets = pd.DataFrame([[1.0, 10.0], [0.0, 0.0], [math.nan, math.nan]], columns=["0.1", "+Inf"])
    found = series.bucket_percentile(99, buckets)
    assert found[0] == 0.1
    assert found[1:].isna().all()


def points(sizes: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"concurrency": sizes, "throughput": usl(sizes, 100.0, 0.05, 0.001)})


def test_points_of_a_wide_range_give_the_law_back():
    curve = series.capacity_fit(points(np.linspace(0.5, 40, 50)))
    assert curve is not None
    assert (curve.rate, curve.contention) == (pytest.approx(100, rel=0.01), pytest.approx(0.05, rel=0.05))


@pytest.mark.parametrize("sizes", [np.linspace(0.1, 0.9, 30), np.linspace(10, 20, 30), np.array([])])
def test_points_of_a_narrow_or_idle_range_say_nothing_of_the_capacity(sizes):
    few = points(sizes)
    assert series.capacity_fit(few) is None
    assert series.curve_line(None, few) == ([], [])


def test_moments_without_requests_are_no_points():
    found = series.load_points(pd.Series([0.0, 5.0, math.nan]), pd.Series([0.0, 0.5, 1.0]))
    assert found.to_dict("records") == [{"concurrency": 0.5, "throughput": 5.0}]


def test_the_answer_says_that_a_range_is_too_narrow_and_what_next():
    few = points(np.linspace(0.1, 0.9, 30))
    assert "Next: lab load forest-capacity" in series.answer(few, None, pd.Series([0.01]))


def test_the_answer_has_the_fitted_numbers():
    wide = points(np.linspace(0.5, 40, 50))
    said = series.answer(wide, series.capacity_fit(wide), pd.Series([0.01, 0.25, math.nan]))
    assert "worst p99 inside it was 250 ms" in said
    assert "knee is at 20.0 requests" in said
