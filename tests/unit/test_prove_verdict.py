"""What proves a panel, and what does not: each kind with its counter-examples."""

import math
import random
from collections.abc import Callable

import pytest

from labkit.errors import CannotRun
from labkit.prove.phases import Phase, Phases, phases_of
from labkit.prove.verdict import Kind, Proof, Tolerance, judged

STEP = 2.0
PHASES = Phases(
    Phase("idle", 0, 0, 20), Phase("low", 20, 80, 100), Phase("high", 100, 160, 180), Phase("low again", 20, 240, 260)
)
Values = Callable[[float], float | None]
STRICT = Tolerance()


def load(t: float) -> float:
    """Requests a second at `t`."""
    return 0 if t <= 20 else 20 if t <= 100 else 100 if t <= 180 else 20


def noise(seed: int, size: float) -> Callable[[], float]:
    chance = random.Random(seed)
    return lambda: chance.gauss(0, size)


def proof(kind: Kind, *series: Values, tolerance: Tolerance = STRICT) -> Proof:
    moments = [STEP * n for n in range(131)]
    points = [[(t, value) for t in moments if (value := values(t)) is not None] for values in series]
    return judged(kind, points, PHASES, STEP, tolerance)


def noisy(values: Callable[[float], float], size: float = 1.0, seed: int = 7) -> Values:
    jitter = noise(seed, size)
    return lambda t: values(t) + jitter()


def test_a_rate_follows_the_load_through_its_noise() -> None:
    for seed in range(50):
        assert proof("follows", noisy(load, 4, seed)).proved


def test_so_does_what_falls_when_the_load_rises() -> None:
    assert proof("follows", lambda t: 150 - load(t)).proved


def test_a_few_in_flight_follow_too() -> None:
    """A sampled gauge of small whole numbers: the mean tells what the median cannot."""
    chance = random.Random(3)
    assert proof("follows", lambda t: sum(chance.random() < load(t) / 500 for _ in range(20))).proved


NOT_FOLLOWING: dict[str, Values] = {
    "flat": lambda t: 5.0,
    "wild": noisy(lambda t: 50, 30),
    "clock": lambda t: t,
    "counter": lambda t: 20 * t if t <= 100 else 2000 + 100 * (t - 100) if t <= 180 else 10_000 + 20 * (t - 180),
    "once up, never down": lambda t: 1.0 if t <= 100 else 5.0,
    "moves by a trifle": lambda t: 100 + load(t) / 50,
    "wave": lambda t: 50 + 50 * math.sin(t / 7),
    "ramp within the high phase": lambda t: 20 if not 100 < t <= 180 else 20 + (t - 158) * 20 if t > 158 else 20,
    "same when idle": lambda t: 100.0 if t <= 20 else load(t),
}


@pytest.mark.parametrize("values", NOT_FOLLOWING.values(), ids=NOT_FOLLOWING)
def test_what_does_not_follow_the_load_is_not_proved(values: Values) -> None:
    found = proof("follows", values)
    assert found.data
    assert not found.proved
    assert found.why


@pytest.mark.parametrize("kind", ["follows", "responds", "steady", "grows", "alert", "exception"])
def test_without_data_nothing_is_proved(kind: Kind) -> None:
    assert not proof(kind).proved
    assert not proof(kind, lambda t: load(t) if t < 150 else None).proved
    assert not proof(kind, lambda t: load(t) if t % 20 == 0 else None).proved


def test_of_many_series_the_sum_or_half_of_them_must_follow() -> None:
    assert proof("follows", load, lambda t: 5.0, lambda t: 0.0).proved
    # The sum says nothing here: one falls as the other rises.
    assert proof("follows", load, lambda t: 100 - load(t)).proved
    assert not proof("follows", lambda t: load(t) / 1000, *[lambda t: 5.0] * 3).proved


def test_a_response_time_is_there_only_under_load_and_never_one_number() -> None:
    timed = noisy(lambda t: 0.02, 0.001)
    assert proof("responds", lambda t: timed(t) if t > 20 else None).proved
    assert not proof("responds", lambda t: 0.02 if t > 20 else None).proved
    assert not proof("responds", timed).proved


def test_what_is_other_than_in_rest_responds() -> None:
    assert proof("responds", lambda t: 30.0 if t <= 20 else 130.0).proved
    assert not proof("responds", lambda t: 30.0 if t <= 100 else 130.0).proved


def test_a_steady_value_may_wander_by_its_tolerance_and_no_further() -> None:
    assert proof("steady", lambda t: 2.0).proved
    assert proof("steady", lambda t: 0.0).proved
    assert proof("steady", noisy(lambda t: 100, 2)).proved
    assert not proof("steady", load).proved
    assert not proof("steady", noisy(lambda t: 100, 40)).proved
    assert not proof("steady", lambda t: 0.0 if t < 100 else 0.01).proved
    assert proof("steady", lambda t: 0.0 if t < 100 else 0.01, tolerance=Tolerance(amount=0.02)).proved
    assert proof("steady", lambda t: 1.0 + load(t) / 200, tolerance=Tolerance(share=0.5)).proved


def test_each_of_the_steady_series_must_be_still() -> None:
    assert not proof("steady", lambda t: 100.0, lambda t: load(t) / 100).proved


def test_what_adds_up_does_so_faster_under_load() -> None:
    assert proof("grows", NOT_FOLLOWING["counter"]).proved
    assert not proof("grows", lambda t: t).proved
    assert not proof("grows", lambda t: 5.0).proved
    assert not proof("grows", load).proved


def test_the_value_of_an_alert_may_stay_still_or_react_but_not_run_away() -> None:
    assert proof("alert", lambda t: 0.0).proved
    assert proof("alert", load).proved
    assert not proof("alert", noisy(lambda t: 50, 30)).proved
    # 30 is little for an alert at 1,000.
    assert proof("alert", noisy(lambda t: 50, 30), tolerance=Tolerance(amount=200)).proved


def test_phases_are_the_ends_of_the_three_steps_and_the_rest_before() -> None:
    run = {"id": "r", "started": 1000, "scenario": {"segments": [[80, 20, 20], [80, 100, 100], [80, 20, 20]]}}
    found = phases_of(run, settle=62)
    assert [(one.name, one.rate, one.start, one.end) for one in found.all] == [
        ("idle", 0.0, 982, 1000),
        ("low", 20, 1062, 1080),
        ("high", 100, 1142, 1160),
        ("low again", 20, 1222, 1240),
    ]


@pytest.mark.parametrize(
    "segments",
    [[], [[80, 20, 20]], [[80, 20, 20], [80, 20, 20], [80, 20, 20]], [[80, 20, 20], [80, 20, 100], [80, 20, 20]]],
)
def test_another_load_is_no_proof(segments: list[list[float]]) -> None:
    with pytest.raises(CannotRun, match="low, high, low"):
        phases_of({"id": "r", "started": 0, "scenario": {"segments": segments}}, settle=10)


def test_steps_that_are_too_short_to_settle_are_told_before() -> None:
    run = {"id": "r", "started": 0, "scenario": {"segments": [[20, 1, 1], [20, 5, 5], [20, 1, 1]]}}
    with pytest.raises(CannotRun, match="need 62 s to settle"):
        phases_of(run, settle=62)
