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
