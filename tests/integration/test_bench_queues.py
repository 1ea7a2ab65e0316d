"""The client of the jobs bench, against a queue that can be told to misbehave: it counts what was answered, once."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bench.bodies import iris_bodies
from bench.job_client import Client, Order, Outcome
from bench.queues import QUEUES, Contestant
from bench.rounds import Sample
from bench.wrk import Answers
from tests.integration.load_runs import service
from tests.integration.load_service import KEY

_, OURS = QUEUES


def outcome(url: str, *, rate: float = 0.0, one: Contestant = OURS, keys: tuple[str, ...] = (KEY,)) -> Outcome:
    bodies = [one.body(body) for body in iris_bodies()]
    order = Order(url=url, bodies=bodies, keys=list(keys), seconds=1.0, connections=8, rate=rate)
    return asyncio.run(Client(order).run())


def test_a_flood_counts_what_was_accepted_and_answered(tmp_path: Path) -> None:
    with service(tmp_path) as urls:
        out = outcome(urls.service)
    assert out.accepted == out.answered > 0
    assert (out.refused, out.broken) == (0, 0)
    assert out.asked == 2 * out.answered  # the stand-in answers on the second question
    assert out.seconds > 0.9
    assert 0 < out.cpu_percent <= 110


def test_at_a_pace_every_job_is_handed_in_and_timed(tmp_path: Path) -> None:
    with service(tmp_path) as urls:
        out = outcome(urls.service, rate=50)
    assert (out.accepted, out.answered, out.refused, out.broken) == (50, 50, 0, 0)
    assert 4_000 <= out.p50_us <= out.p99_us <= out.max_us


@pytest.mark.parametrize("rate", [0.0, 50.0])
def test_a_refused_hand_in_makes_the_round_invalid(tmp_path: Path, rate: float) -> None:
    with service(tmp_path, "refuse=5") as urls:
        out = outcome(urls.service, rate=rate)
    assert (out.refused, out.accepted - out.answered) == (1, 0)
    answers = Answers(out.answered, out.seconds, out.p50_us, out.p99_us, out.max_us, out.refused, out.broken)
    sample = Sample("ours-jobs", 1, answers, 1.0, 1.0, 1.0, 1)
    assert not sample.valid
    assert replace(sample, answers=replace(answers, refused=0)).valid


def test_a_connection_that_is_lost_is_counted_and_the_rest_is_answered(tmp_path: Path) -> None:
    with service(tmp_path, "drop=20") as urls:
        out = outcome(urls.service, rate=50)
    assert (out.accepted, out.answered, out.broken) == (49, 49, 1)


def test_without_a_key_nothing_is_accepted(tmp_path: Path) -> None:
    """The control: were refusals taken for answers, a queue that does nothing would be the fastest."""
    with service(tmp_path) as urls:
        out = outcome(urls.service, rate=20, keys=("",))
    assert (out.accepted, out.answered, out.refused) == (0, 0, 20)
