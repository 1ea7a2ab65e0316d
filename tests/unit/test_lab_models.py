"""The steps in the life of a version, and who is said to follow them."""

import pytest

from labkit.errors import CannotRun
from labkit.models.reports import serves
from labkit.models.routes import Route, promoted, rolled_back, tried
from labkit.models.schedule import line
from labkit.models.tables import shown


def test_a_canary_is_tried_promoted_and_rolled_back():
    route = tried(Route("v1"), "v2", 10)
    assert route == Route("v1", "v2", 10)
    route = promoted(route, "v2")
    assert route == Route("v2", previous="v1")
    assert rolled_back(route) == Route("v1", previous="v2")


def test_a_rollback_takes_a_canary_off_before_it_touches_the_stable_version():
    assert rolled_back(Route("v2", "v3", 10, previous="v1")) == Route("v2", previous="v1")


def test_promoting_what_is_stable_takes_the_canary_off_and_keeps_the_way_back():
    assert promoted(Route("v2", "v3", 10, previous="v1"), "v2") == Route("v2", previous="v1")


def test_without_a_step_there_is_nothing_to_roll_back():
    with pytest.raises(CannotRun, match="nothing to roll back: v1 answers"):
        rolled_back(Route("v1"))


@pytest.mark.parametrize(
    ("shares", "follows"),
    [
        ({"v1": 0.9, "v2": 0.1}, True),
        ({"v1": 0.9, "v2": 0.1, "v3": 0.0}, True),
        ({"v1": 0.8, "v2": 0.2}, False),
        ({"v1": 1.0}, False),
        ({"v2": 0.1, "v3": 0.9}, False),
        ({}, False),
    ],
)
def test_a_service_follows_when_each_version_has_its_share(shares, follows):
    assert serves({"sentiment": shares}, "sentiment", Route("v1", "v2", 10)) is follows


def test_a_canary_without_a_share_must_be_loaded_all_the_same():
    route = Route("v1", "v2", 0)
    assert not serves({"sentiment": {"v1": 1.0}}, "sentiment", route)
    assert serves({"sentiment": {"v1": 1.0, "v2": 0.0}}, "sentiment", route)


def test_who_does_not_answer_does_not_follow():
    assert not serves(None, "sentiment", Route("v1"))


def test_traffic_is_one_figure_when_all_agree_and_one_each_when_they_do_not():
    assert shown({"api-1": 0.1, "worker-1": 0.1}) == "10 %"
    assert shown({"api-1": 0.1, "worker-1": None}) == "api-1 10 %, worker-1 not loaded"
    assert shown({}) == "-"


def test_a_scheduled_run_is_one_line():
    facts = {"model": "sentiment", "registered": "v2", "reason": "261 right answers", "new": 3, "feedback_rows": 9}
    assert line(facts) == "sentiment: v2 registered: 261 right answers; 3 new of 9 feedback rows"
    late = {"canary": "v2", "weight": 10.0, "not_following": ["api-2"]}
    assert line({**facts, "canary": late}).endswith("; v2 gets 10 %, but not at api-2")
    assert line({"model": "sentiment", "error": "no table"}) == "sentiment: cannot run: no table"
