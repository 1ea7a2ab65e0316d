"""Tickets are decided by the seed alone and split exactly among processes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.loadgen.scenario import Arrivals
from labkit.loadgen.shapes import Shape, constant, steps
from labkit.loadgen.tickets import offered_by_second, tickets

SHAPE = steps([20, 60], 10)
arrivals_of = st.sampled_from(["even", "poisson"])


@given(st.integers(0, 2**32), st.integers(1, 7), arrivals_of)
def test_shares_of_all_processes_are_together_the_whole_schedule(seed: int, of: int, arrivals: Arrivals) -> None:
    whole = tickets(SHAPE, arrivals, seed, [1, 2, 3])
    shares = [tickets(SHAPE, arrivals, seed, [1, 2, 3], index=i, of=of) for i in range(of)]
    assert len(whole) == sum(map(len, shares)) == 400
    for index, share in enumerate(shares):
        assert share.starts.tolist() == whole.starts[index::of].tolist()
        assert share.actions.tolist() == whole.actions[index::of].tolist()
        assert share.draws.tolist() == whole.draws[index::of].tolist()


def test_the_same_seed_gives_the_same_requests_and_another_seed_others() -> None:
    first, again, other = (tickets(SHAPE, "poisson", seed, [1, 1]) for seed in (7, 7, 8))
    assert first.draws.tolist() == again.draws.tolist()
    assert first.starts.tolist() == again.starts.tolist()
    assert first.draws.tolist() != other.draws.tolist()


@given(st.integers(0, 2**32), arrivals_of)
def test_starts_ascend_within_the_run(seed: int, arrivals: Arrivals) -> None:
    starts = tickets(SHAPE, arrivals, seed, [1]).starts
    assert (np.diff(starts) >= 0).all()
    assert starts[0] >= 0
    assert starts[-1] <= SHAPE.duration


def test_even_arrivals_at_a_constant_rate_are_evenly_spaced() -> None:
    starts = tickets(constant(10, 5), "even", 1, [1]).starts
    assert starts.tolist() == pytest.approx([0.05 + 0.1 * k for k in range(50)])


def test_poisson_gaps_are_exponential_and_even_gaps_are_not() -> None:
    """The coefficient of variation of the gaps is 1 for a Poisson process, 0 for even spacing."""

    def variation(shape: Shape, arrivals: Arrivals) -> float:
        gaps = np.diff(tickets(shape, arrivals, 1, [1]).starts)
        return float(gaps.std() / gaps.mean())

    shape = constant(1000, 60)
    assert variation(shape, "poisson") == pytest.approx(1, abs=0.02)
    assert variation(shape, "even") == pytest.approx(0, abs=1e-6)


def test_actions_come_as_often_as_their_weights_say() -> None:
    actions = tickets(constant(1000, 60), "even", 3, [1, 3, 0]).actions
    shares = np.bincount(actions, minlength=3) / len(actions)
    assert shares.tolist() == pytest.approx([0.25, 0.75, 0], abs=0.01)


def test_offered_by_second_adds_up_and_follows_the_step() -> None:
    offered = offered_by_second(tickets(SHAPE, "even", 1, [1]).starts, 10)
    assert offered == [20] * 5 + [60] * 5
