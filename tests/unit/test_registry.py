"""Models by name and version, and the canary's share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import UnknownModel, WrongCanary
from app.core.registry import Registry, Split
from tests.fake_models import FakeKernel, by_first_number, info


def served(name, version="v1"):
    return FakeKernel(info(name, version), by_first_number)


def registry(canary=""):
    return Registry([served("iris"), served("forest", "v1"), served("forest", "v2")], canary)


def test_the_first_version_is_the_stable_one():
    split = registry().model("forest")
    assert list(split.versions) == ["v1", "v2"]
    assert {split.pick().info.version for _ in range(100)} == {"v1"}


def test_a_version_is_found_by_name():
    assert registry().version("forest", "v2").info.version == "v2"


def test_an_unknown_model_is_told_which_there_are():
    with pytest.raises(UnknownModel, match="'oak'; there are: iris, forest"):
        registry().model("oak")


def test_an_unknown_version_is_told_which_there_are():
    with pytest.raises(UnknownModel, match="'v9' of 'forest'; there are: v1, v2"):
        registry().version("forest", "v9")


@given(percent=st.integers(0, 100), requests=st.integers(1, 500))
def test_the_canary_answers_its_share_give_or_take_one(percent, requests):
    split = registry(f"forest:v2={percent}").model("forest")
    answered = sum(split.pick().info.version == "v2" for _ in range(requests))
    assert abs(answered - requests * percent / 100) <= 1


def test_a_canary_is_spread_and_does_not_come_in_bursts():
    split = registry("forest:v2=25").model("forest")
    picks = "".join(split.pick().info.version[1] for _ in range(400))
    assert picks.count("2") == 100
    assert "22" not in picks


def test_a_canary_leaves_other_models_alone():
    split = registry("forest:v2=100").model("iris")
    assert {split.pick().info.version for _ in range(10)} == {"v1"}


@pytest.mark.parametrize(
    "rule",
    [
        "forest",
        "forest:v2",
        "forest:v2=",
        "forest:v2=-1",
        "forest:v2=101",
        "forest:v3=10",
        "oak:v1=10",
        "forest:v2=1e1",
    ],
)
def test_a_wrong_canary_rule_is_refused_with_its_text(rule):
    with pytest.raises(WrongCanary, match=rule.split("=", maxsplit=1)[0]):
        registry(rule)


def test_rules_of_several_models_are_separated_by_commas():
    found = Registry([served("a"), served("a", "v2"), served("b"), served("b", "v2")], "a:v2=100, b:v2=0")
    assert found.model("a").pick().info.version == "v2"
    assert found.model("b").pick().info.version == "v1"


def test_a_split_of_one_version_always_picks_it():
    only = served("iris")
    assert Split({"v1": only}).pick() is only


# --- changed while it is in use


@given(steps=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 60)), min_size=1, max_size=8))
def test_the_split_stays_exact_through_changes_of_the_share(steps):
    split = registry().model("forest")
    wanted = answered = 0
    for percent, requests in steps:
        split.route("v1", "v2", percent / 100)
        answered += sum(split.pick().info.version == "v2" for _ in range(requests))
        wanted += requests * percent
        assert abs(answered - wanted / 100) <= 1 + 1e-9


def test_a_split_that_starts_anew_with_each_change_would_not_be_exact():
    """The control of the test above: ten changes, each of which forgets what the canary is owed."""
    answered = 0
    for _ in range(10):
        split = registry("forest:v2=50").model("forest")
        answered += sum(split.pick().info.version == "v2" for _ in range(3))
    assert abs(answered - 15) > 1


def test_a_version_that_is_added_answers_nothing_until_it_is_routed_to():
    split = registry().model("forest")
    split.add(served("forest", "v10"))
    split.add(served("forest", "v9"))
    assert list(split.versions) == ["v1", "v2", "v9", "v10"]
    assert split.traffic == {"v1": 1.0, "v2": 0.0, "v9": 0.0, "v10": 0.0}
    assert {split.pick().info.version for _ in range(20)} == {"v1"}
    split.route("v10", "v9", 0.25)
    assert split.traffic == {"v1": 0.0, "v2": 0.0, "v9": 0.25, "v10": 0.75}
    assert [split.pick().info.version for _ in range(4)].count("v9") == 1
    assert (split.stable.info.version, split.canary.info.version) == ("v10", "v9")


def test_a_split_is_walked_through_while_versions_come_and_go():
    split = registry().model("forest")
    for number, _ in enumerate(split.versions.values(), start=3):
        split.add(served("forest", f"v{number}"))
        split.drop("v2")
    assert "v2" not in split.versions


def test_a_route_to_what_is_not_loaded_changes_nothing():
    split = registry("forest:v2=50").model("forest")
    for stable, canary in (("v9", None), ("v2", "v9")):
        with pytest.raises(KeyError):
            split.route(stable, canary, 0.1)
        assert split.traffic == {"v1": 0.5, "v2": 0.5}


def test_a_canary_that_is_the_stable_version_takes_nothing_away():
    assert registry("forest:v1=10").model("forest").traffic == {"v1": 1.0, "v2": 0.0}
