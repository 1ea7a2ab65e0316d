"""Dashboards without Grafana: queries filled in as Grafana fills them in, answers put in order."""

import math

import pytest

from labkit.dashboards import frames
from labkit.dashboards.happened import happened
from labkit.dashboards.prometheus import Series
from labkit.dashboards.variables import ALL, WrongValue, label_values, variables
from labkit.dashboards.window import Window, WrongTime, duration, interpolated, step_for, time_words, window
from labkit.home import Home
from labkit.marks import add_mark
from tests.dashboard_pages import query_variable

HOUR = Window(1_000_000.0, 1_003_600.0)


def one(**facts):
    (found,) = variables({"templating": {"list": [query_variable("replica", "label_values(up, instance)") | facts]}})
    return found


@pytest.mark.parametrize("text", ["$replica", "${replica}", "${replica:regex}", "[[replica]]"])
def test_a_variable_is_replaced_however_it_is_written(text):
    assert interpolated(f'up{{instance=~"{text}"}}', {"replica": "a.*"}) == 'up{instance=~"a.*"}'


def test_what_is_no_variable_stays_as_it_is():
    query = 'rate(x{route=~"/a$", b=~"$nobody"}[$__rate_interval])'
    assert interpolated(query, {"__rate_interval": "20s"}) == 'rate(x{route=~"/a$", b=~"$nobody"}[20s])'


def test_a_value_that_looks_like_a_variable_is_not_replaced_again():
    assert interpolated("$a", {"a": "$b", "b": "no"}) == "$b"


@pytest.mark.parametrize(
    ("chosen", "written"),
    [
        ((), ".*"),
        ((ALL,), ".*"),
        (("api-1",), "api-1"),
        (("/jobs/{id}",), r"/jobs/\\{id\\}"),
        (("a.b", "c|d"), r"(a\\.b|c\\|d)"),
        (('x"} or up{a="',), r"x\"\\} or up\\{a=\""),
        (("back\\slash",), r"back\\\\slash"),
    ],
)
def test_chosen_values_are_written_as_a_regular_expression_inside_quotes(chosen, written):
    assert one().written({"replica": chosen}) == written


def test_a_single_value_is_written_as_it_is_but_cannot_leave_its_quotes():
    single = one(multi=False, includeAll=False)
    assert single.written({"replica": ("/jobs/{id}",)}) == "/jobs/{id}"
    assert single.written({"replica": ('"} or up',)}) == r"\"} or up"


def test_a_value_that_a_list_does_not_have_is_refused_with_those_that_it_has():
    size = one(type="custom", query="10, 20", includeAll=False, current={})
    assert size.written({}) == "10"
    with pytest.raises(WrongValue, match=r"replica has no value '30'; it has: 10, 20"):
        size.written({"replica": ("30",)})


def test_a_value_without_end_is_refused():
    with pytest.raises(WrongValue, match="201 characters"):
        one().values({"replica": ("x" * 201,)})


def test_in_a_query_of_logs_a_value_is_quoted_and_all_is_a_star():
    assert one().written_lucene({}) == "*"
    assert one().written_lucene({"replica": ('a"b',)}) == r'"a\"b"'
    assert one().written_lucene({"replica": ("a", "b")}) == '("a" OR "b")'


def test_only_label_values_is_understood():
    assert label_values("label_values(up, instance)") == ("up", "instance")
    assert label_values('label_values(x{a="1", b="2"}, route)') == ('x{a="1", b="2"}', "route")
    assert label_values("label_values(job)") == ("", "job")
    with pytest.raises(WrongValue, match="query_result"):
        label_values("query_result(up)")


@pytest.mark.parametrize(
    ("text", "seconds"), [("15s", 15), ("1h30m", 5400), ("500ms", 0.5), (">10s", 10), ("2d", 172_800)]
)
def test_durations_are_read_as_grafana_writes_them(text, seconds):
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "5 s", "s", "-5m", "5y"])
def test_what_is_no_duration_is_named(text):
    with pytest.raises(WrongTime, match="duration"):
        duration(text)


def test_times_are_now_before_now_or_milliseconds():
    assert window("now-15m", "now", 10_000.0) == Window(9_100.0, 10_000.0)
    assert window("9000000", "9500000", 10_000.0) == Window(9_000.0, 9_500.0)


@pytest.mark.parametrize(
    ("start", "end"), [("now", "now-5m"), ("now-40d", "now"), ("yesterday", "now"), ("1e3", "now")]
)
def test_times_that_cannot_be_shown_are_refused(start, end):
    with pytest.raises(WrongTime):
        window(start, end, 1e9)


@pytest.mark.parametrize(
    ("seconds", "points", "least", "step"),
    [
        (3600, 720, 5.0, 5.0),
        (3600, 100, 5.0, 30.0),
        (300, 600, 5.0, 5.0),
        (300, 600, 0.5, 0.5),
        (21_600, 400, 5.0, 60.0),
    ],
)
def test_steps_are_round_and_not_under_the_scrape_interval(seconds, points, least, step):
    assert step_for(Window(0, seconds), points, least) == step


def test_a_rate_looks_at_four_scrapes_at_least():
    assert time_words(HOUR, 5.0, 5.0)["__rate_interval"] == "20s"
    assert time_words(HOUR, 30.0, 5.0)["__rate_interval"] == "35s"
    words = time_words(HOUR, 0.5, 5.0)
    assert (words["__interval"], words["__range"], words["__range_s"]) == ("500ms", "3600s", "3600")


def test_the_grid_stays_when_time_goes_on():
    """Two refreshes a second apart ask for the same points, but for the newest."""
    first, later = Window(1000.4, 1300.4).aligned(5.0), Window(1001.4, 1301.4).aligned(5.0)
    assert first == later == (1000.0, 1300.0, 61)


def test_a_series_is_named_by_its_template_else_by_its_labels():
    labels = {"__name__": "up", "job": "api", "instance": "api-1"}
    assert frames.legend("{{instance}} of {{ job }}{{nothing}}", labels) == "api-1 of api"
    assert frames.legend("", labels) == 'up{job="api", instance="api-1"}'
    assert frames.legend("__auto", {}, "sum(up)") == "sum(up)"


def test_points_find_their_place_and_gaps_stay_gaps():
    (found,) = frames.over_time("A", "x", "", [Series({}, [(10.0, 1.0), (20.0, 1 / 3), (99.0, 5.0)])], (10.0, 5.0, 4))
    assert found["values"] == [1.0, None, 0.3333333333, None]


def test_cumulative_buckets_become_single_ones_in_their_order():
    series = [Series({"le": le}, [(0.0, value)]) for le, value in (("+Inf", 9.0), ("0.1", 8.0), ("0.01", 5.0))]
    found = frames.buckets(frames.over_time("A", "{{le}}", "", series, (0.0, 1.0, 2)))
    assert [(frame["name"], frame["values"]) for frame in found] == [
        ("0.01", [5.0, None]),
        ("0.1", [3.0, None]),
        ("+Inf", [1.0, None]),
    ]


def test_no_number_of_an_answer_breaks_json():
    assert math.isfinite(frames.short(1e300))
    assert frames.at_once("A", "", "q", [Series({}, [])]) == []


def test_runs_are_ranges_and_faults_are_moments(tmp_path):
    home = Home(tmp_path, tmp_path / ".lab")
    for kind, text, run, at in (
        ("run-start", "load demo starts", "a", 100.0),
        ("fault", "api-1 killed", "", 150.0),
        ("run-start", "load jobs starts", "b", 200.0),  # a was killed: it has no end of its own
        ("fault", "before the time shown", "", 20.0),
    ):
        add_mark(home, kind, text, run, at)
    shown = happened(home, Window(90.0, 300.0))
    assert [(run["run"], run["start"], run["end"]) for run in shown["runs"]] == [
        ("a", 100.0, 200.0),
        ("b", 200.0, None),
    ]
    assert shown["moments"] == [{"time": 150.0, "kind": "fault", "text": "api-1 killed"}]
    assert happened(home, Window(400.0, 500.0))["runs"][0]["run"] == "b"
    assert happened(Home(tmp_path, tmp_path / "none"), HOUR) == {"runs": [], "moments": []}
