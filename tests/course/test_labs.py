"""The course holds itself against its promises: every lab starts red, for the reason it states, and ends green."""

import re
from collections.abc import Callable, Iterator

import pytest

from labkit.course.manifest import read_course
from labkit.home import find_home
from tests.course.walk import Place

COURSE = read_course(find_home())
pytestmark = [pytest.mark.course, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module", params=COURSE.labs, ids=lambda lab: lab.slug)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One lab's stack and work folder; the tests of a lab follow one another on it."""
    there = Place(tmp_path_factory.mktemp(request.param.number), request.param)
    try:
        yield there
    finally:
        there.down()


def test_the_untouched_starter_is_red_for_the_stated_reasons(place):
    place.begin()
    facts = place.check()
    assert facts["code"] == 1
    seen = {one["name"]: one for one in facts["findings"]}
    assert list(seen) == list(place.lab.fails), "the manifest states a reason for each check"
    for name, reason in place.lab.fails.items():
        finding = seen[name]
        assert finding["verdict"] == "failed", f"{name} passes before any work: {finding['seen']}"
        assert re.search(reason, finding["seen"]), f"{name}: {finding['seen']!r} does not say {reason!r}"


def test_a_red_message_says_what_was_expected_and_seen_and_what_comes_next(place):
    place.begin()
    for finding in place.check()["findings"]:
        assert finding["expected"], finding
        assert finding["seen"], finding
        assert finding["next"], finding
        assert "broke off" not in finding["seen"], finding


def test_a_solution_that_is_commented_out_is_red(place):
    place.begin()
    place.comment_out()
    facts = place.check()
    assert facts["code"] == 1
    assert [one["name"] for one in facts["findings"] if "broke off" in one["seen"]] == []


def test_the_text_leads_to_green_as_printed(place, figure: Callable[[str], None]):
    place.down()
    walked = place.walk(place.lab.text)
    lab = place.lab
    if walked.code and "INVALID" in walked.said:
        figure(f"lab {lab.number}: this machine was too busy for its load test, as the report said; walked once more")
        place.down()
        walked = place.walk(place.lab.text)
    figure(
        f"lab {lab.number}: {walked.minutes:.1f} min by copy and paste (manifest {lab.machine_minutes:g}), "
        f"{walked.memory:.0f} MB (manifest {lab.memory})"
    )
    assert walked.code == 0, walked.told()
    assert "PASSED" in walked.said, walked.told()
