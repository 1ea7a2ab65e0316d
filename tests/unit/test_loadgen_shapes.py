"""Shapes are pure functions: the integral of the rate, and its inverse."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from labkit.loadgen.shapes import Segment, Shape, constant, ramp, scaled, soak, spike, steps

rates = st.floats(0.5, 5_000)
lengths = st.floats(0.5, 3_600)
SHAPES = st.one_of(
    st.builds(constant, rates, lengths),
    st.builds(ramp, st.floats(0, 5_000), rates, lengths),
    st.builds(steps, st.lists(rates, min_size=1, max_size=8), lengths),
    st.builds(spike, rates, rates, lengths, at=st.floats(0.05, 0.6), share=st.floats(0.05, 0.3)),
    st.builds(soak, rates, lengths, warmup=st.floats(0.01, 0.9)),
    st.builds(lambda parts: Shape(tuple(parts)), st.lists(st.builds(Segment, lengths, rates, rates), min_size=1)),
)


@given(SHAPES, st.floats(0, 1), st.floats(0, 1))
def test_cumulative_rate_is_monotone_and_ends_at_the_whole_integral(shape: Shape, a: float, b: float) -> None:
    early, late = sorted((a * shape.duration, b * shape.duration))
    assert shape.cumulative(early) <= shape.cumulative(late) * (1 + 1e-12)
    assert shape.cumulative(shape.duration) == pytest.approx(shape.requests)
    assert shape.cumulative(shape.duration * 2) == pytest.approx(shape.requests)
    assert shape.cumulative(-1) == 0


@given(SHAPES, st.floats(0, 1))
def test_inverse_of_cumulative_is_the_time(shape: Shape, share: float) -> None:
    t = share * shape.duration
    # Where the rate is almost 0 a count says little about the time.
    assume(shape.rate(t) > 0.01 * shape.peak)
    assert shape.inverse([shape.cumulative(t)])[0] == pytest.approx(t, rel=1e-6, abs=1e-6 * shape.duration)


@given(SHAPES, st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_cumulative_of_inverse_is_the_count_and_the_inverse_is_monotone(shape: Shape, shares: list[float]) -> None:
    counts = np.sort(np.array(shares)) * shape.requests
    times = shape.inverse(counts)
    assert (np.diff(times) >= -1e-9 * shape.duration).all()
    assert [shape.cumulative(t) for t in times] == pytest.approx(list(counts), rel=1e-6, abs=1e-6 * shape.requests)


@given(SHAPES, st.floats(0.001, 0.999))
def test_rate_is_the_slope_of_the_cumulative_rate(shape: Shape, share: float) -> None:
    t = share * shape.duration
    width = 1e-6 * shape.duration
    edges = np.cumsum([part.seconds for part in shape.segments])
    assume(np.abs(edges - t).min() > 2 * width)
    slope = (shape.cumulative(t + width) - shape.cumulative(t - width)) / (2 * width)
    assert slope == pytest.approx(shape.rate(t), rel=1e-3, abs=1e-3 * shape.peak)


def test_a_silent_segment_is_skipped_by_the_inverse() -> None:
    shape = Shape((Segment(10, 1, 1), Segment(5, 0, 0), Segment(10, 1, 1)))
    assert shape.inverse([10.0, 10.5]).tolist() == [10.0, 15.5]


def test_named_shapes_have_their_rates_where_they_say() -> None:
    demo = steps([150, 300], 60)
    assert (demo.rate(29.9), demo.rate(30.1), demo.requests) == (150, 300, 13_500)
    burst = spike(100, 400, 60, at=0.4, share=0.2)
    assert (burst.rate(23), burst.rate(25), burst.rate(37)) == (100, 400, 100)
    long = soak(100, 1000, warmup=0.1)
    assert (long.rate(50), long.rate(500)) == (50, 100)


@given(SHAPES, rates, lengths)
def test_scaling_sets_the_peak_and_the_length(shape: Shape, peak: float, duration: float) -> None:
    result = scaled(shape, peak=peak, duration=duration)
    assert (result.peak, result.duration) == (pytest.approx(peak), pytest.approx(duration))
    assert result.requests == pytest.approx(shape.requests * peak / shape.peak * duration / shape.duration)


@pytest.mark.parametrize("bad", [(0, 1, 1), (1, -1, 1), (1, 1, float("nan")), (float("inf"), 1, 1)])
def test_a_segment_that_cannot_be_run_is_refused(bad: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="segment"):
        Shape((Segment(*bad),))
