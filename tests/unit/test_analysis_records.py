"""Log records as data frames."""

import pandas as pd
import pytest

from labkit.logs.store import LogRecord
from labkit.logs.trace import trace
from notebooks.analysis import records


def record(ident: str, route: str = "/predict", status: int = 200, us: int = 1000, **more) -> LogRecord:
    return LogRecord(100.0, "api-1", 6, "request", "", ident, "POST", route, route, status, us, **more)


def test_counts_have_the_fields_as_index():
    found = records.counts({("503",): 2, ("200",): 5}, "status")
    assert found["records"].to_dict() == {"200": 5, "503": 2}


def test_two_fields_cross_and_what_was_not_found_is_zero():
    found = records.crossed({("/predict", "200"): 3, ("/jobs", "202"): 1}, "route", "status")
    assert found.loc["/jobs"].to_dict() == {"200": 0, "202": 1}


def test_a_histogram_counts_seconds_from_the_start():
    found = records.over_time({"200": [(50.0, 1), (51.0, 2)], "": [(50.0, 0), (51.0, 1)]}, 50.0)
    assert found.to_dict() == {"200": {0.0: 1, 1.0: 2}, "all": {0.0: 0, 1.0: 1}}


def test_bad_answers_are_summed_over_the_last_minute_only():
    seconds = pd.DataFrame(
        {"200": [9] * 8, "404": [1, 0, 0, 0, 0, 0, 0, 0], "503": [0, 2, 0, 0, 0, 0, 0, 3]},
        index=[10.0 * n for n in range(8)],
    )
    assert records.bad_in_a_minute(seconds).tolist() == [1, 3, 3, 3, 3, 3, 2, 3]


def test_without_bad_answers_the_sum_is_zero():
    assert records.bad_in_a_minute(pd.DataFrame({"200": [5, 6]}, index=[0.0, 1.0])).tolist() == [0, 0]


def test_the_slowest_come_first_in_milliseconds():
    found = records.frame([record("a", us=2000), record("b", us=9000), record("c", us=500)])
    assert records.slowest(found, 2)[["request_id", "duration_ms"]].to_numpy().tolist() == [["b", 9.0], ["a", 2.0]]


def test_a_handed_in_job_is_followed_before_a_slower_request():
    found = records.frame([record("slow", us=9000), record("job", "/jobs", 202, 3000), record("no", "/jobs", 401)])
    assert records.to_follow(found) == "job"
    assert records.to_follow(found[found["route"] == "/predict"]) == "slow"


def test_a_trace_is_a_table_from_its_first_step_on():
    edge = LogRecord(100.0, "traefik", 6, "edge", "POST /predict", "a", status=200, duration_us=9000)
    table = records.trace_table(trace([record("a", us=4000), edge]))
    assert table["part"].tolist() == ["edge", "api"]
    assert table["from_ms"].tolist() == [0.0, pytest.approx(5.0)]


def test_a_request_without_records_is_told_with_the_next_step():
    with pytest.raises(ValueError, match="next: lab load smoke"):
        records.trace_table(None)


@pytest.mark.parametrize(("worst", "verdict"), [(10.0, "within"), (11.0, "over")])
def test_the_answer_holds_the_worst_minute_against_the_alerts_limit(worst, verdict):
    by_status = records.counts({("200",): 96, ("503",): 4, ("",): 1}, "status")
    slow = records.slowest(records.frame([record("a", us=4000)]))
    steps = records.trace_table(trace([record("a", us=4000)]))
    said = records.answer(by_status, pd.Series([1.0, worst]), slow, steps)
    assert "4 of 100 requests were answered with 400 or above (4.0 %)" in said
    assert f"{verdict} the alert's limit of 10" in said
    assert "POST /predict with 4.0 ms" in said
