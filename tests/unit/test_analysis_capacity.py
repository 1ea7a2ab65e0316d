"""The capacity module of the notebooks: laws with known answers, and fits of curves whose parameters are known."""

import math

import numpy as np
import pytest

from notebooks.analysis.capacity import Curve, fitted, in_flight, medians, response, usl

SIZES = (1, 2, 4, 8, 16, 24, 32, 48, 64)


def test_the_law_at_size_one_is_the_rate():
    assert usl(1, 400, 0.05, 1e-4) == 400


def test_without_contention_throughput_is_proportional():
    assert usl([1, 10, 100], 3, 0, 0).tolist() == [3, 30, 300]


def test_a_value_worked_out_by_hand():
    assert usl(10, 100, 0.1, 0.01) == pytest.approx(100 * 10 / (1 + 0.9 + 0.9))


@pytest.mark.parametrize(
    ("rate", "contention", "coherency"),
    [(400, 0.05, 0), (400, 0.05, 1e-5), (12, 0.3, 0.002), (1_000_000, 0.001, 1e-4), (0.5, 0.02, 0.0005), (90, 0, 0)],
)
def test_a_fit_finds_the_parameters_of_a_curve_that_has_no_noise(rate, contention, coherency):
    found = fitted(SIZES, usl(SIZES, rate, contention, coherency).tolist())
    assert found.rate == pytest.approx(rate, rel=1e-3)
    assert found.contention == pytest.approx(contention, rel=1e-2, abs=1e-5)
    assert found.coherency == pytest.approx(coherency, rel=1e-2, abs=1e-6)


def test_noise_of_a_few_percent_moves_the_next_size_by_a_few_percent():
    chance, true = np.random.default_rng(8), Curve(400, 0.05, 1e-5)
    noisy = [true.at(SIZES) * chance.normal(1, 0.03, len(SIZES)) for _ in range(50)]
    off = [fitted(SIZES, points.tolist()).at(88) / true.at(88) - 1 for points in noisy]
    assert np.std(off) < 0.05


def test_the_knee_is_where_the_first_line_meets_the_ceiling():
    curve = Curve(400, 0.05, 0)
    assert curve.knee == 20
    assert curve.rate * curve.knee == curve.ceiling == 8000
    assert curve.at(20) == pytest.approx(curve.ceiling / 2, rel=0.03)


def test_the_peak_is_the_highest_point():
    curve = Curve(400, 0.05, 1e-3)
    assert int(np.argmax(curve.at(np.arange(1, 200)))) + 1 == round(curve.peak)


def test_without_contention_and_coherency_there_is_no_knee_and_no_peak():
    assert (Curve(1, 0, 0).knee, Curve(1, 0, 0).peak) == (math.inf, math.inf)


@pytest.mark.parametrize(
    ("sizes", "throughputs"),
    [((1, 2, 4), (1, 2, 4)), ((1, 1, 1, 1), (1, 2, 3, 4)), ((1, 2, 3, 4), (1, 2, 0, 4)), ((1, 2, 3), (1, 2, 3, 4)),
     ((1, 2, 3, 4), (1, 2, float("nan"), 4))],
)  # fmt: skip
def test_points_that_decide_nothing_are_refused(sizes, throughputs):
    with pytest.raises(ValueError, match="sizes"):
        fitted(sizes, throughputs)


def test_medians_are_by_size_and_in_order():
    assert medians([(8, 5.0), (1, 1.0), (8, 7.0), (8, 60.0), (1, 3.0)]) == {1: 2.0, 8: 7.0}


def test_littles_law():
    assert in_flight(6400, 0.01) == 64


def test_the_response_time_of_a_size_is_littles_law_turned_round():
    curve = Curve(400, 0.05, 1e-5)
    assert in_flight(float(curve.at(64)), response(curve, 64)) == pytest.approx(64)
