"""Redis stops or dies under load: nobody gets an error, nobody waits long, and the tier comes back by itself.

The load is open: 150 requests a second, whether answered or not, of the models that are cached. Three of four bodies
repeat, the others are new. The process's own cache holds 8 answers only, so that nearly every repeated body asks Redis:
with its usual size it would hide the fault that this is about.
"""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from labkit.loadgen.bodies import MODELS
from tests.eventually import eventually
from tests.openloop import SERIAL, Outcome, Phase, Requests, Target, running_source
from tests.redis_server import RedisServer
from tests.service import Service, running_service

pytestmark = pytest.mark.faults

RATE = 150
FAULT_SECONDS = 5.0
BACK_WITHIN = 5.0
"""The bar, printed as well: seconds from the repair until Redis answers again."""
P99_SECONDS = 0.1
"""The bar; printed beside what was measured, not asserted: a busy machine is late."""
PROTECTED = 1.0
"""Seconds: far above that, far below the wait of the control without a deadline."""
CACHED_MODELS = ("sentiment", "digits", "forest")


def target(name: str, seed: int, *, new: bool) -> Target:
    """Return a request with one row; a new one has the serial number in its text, or in the decimals of a number."""
    row = MODELS[name].row(random.Random(seed))
    if isinstance(row, str):
        text = json.dumps({"data": [f"{row} {SERIAL}" if new else row]})
    else:
        first, others = row[0], json.dumps(row[1:])
        text = f'{{"data": [[{first:.3f}{"0" + SERIAL if new else ""}, {others[1:]}]}}'
    return Target(f"/models/{name}/predict", text)


def targets() -> list[Target]:
    names = CACHED_MODELS * 20
    return [target(name, seed, new=seed // len(CACHED_MODELS) % 4 == 3) for seed, name in enumerate(names)]


def redis_look_ups(service: Service, outcome: str) -> float:
    return service.scrape().total("cache_requests_total", tier="redis", outcome=outcome)


def rises(service: Service, outcome: str, by: int, within: float) -> None:
    """Wait until the counter of Redis look-ups with this outcome has risen."""
    before = redis_look_ups(service, outcome)
    eventually(lambda: redis_look_ups(service, outcome) > before + by, within=within, what=f"Redis: more {outcome}")


def lasting(seconds: float) -> None:
    """Let the fault last; the load goes on by its own schedule."""
    start = time.monotonic()
    eventually(lambda: time.monotonic() - start >= seconds, within=seconds + 5)


class Story:
    """What happened: all requests, the two moments of the fault, and how long after it Redis was in use again."""

    def __init__(self, outcome: Outcome, began: float, ended: float, back: float) -> None:
        self.all = outcome.requests
        self.before = outcome.requests.within(outcome.boundaries[0] + 1, began)
        self.during = outcome.requests.within(began, ended)
        self.back = back
        self.source = outcome

    def require_sound(self) -> None:
        """Fail when the load source or the machine, not the service, was too slow to say anything.

        That a request left late needs no check of its own: the wait counts as latency.
        """
        assert self.source.busiest() < 0.8, f"invalid: the load source used {self.source.busiest():.0%} of a core"
        p99 = self.before.percentile(99)
        assert p99 <= PROTECTED, f"invalid: p99 was {p99:.3f} s before anything happened; is the machine busy?"

    def held(self) -> str:
        """Return p99 before and during the fault, beside the bar; fail when somebody waited for Redis."""
        before, during = self.before.percentile(99), self.during.percentile(99)
        assert during <= PROTECTED
        return (
            f"p99 {before * 1000:.0f} ms before and {during * 1000:.0f} ms meanwhile (bar: {P99_SECONDS * 1000:g} ms), "
            f"in use again after {self.back:.1f} s (bar: {BACK_WITHIN:g} s)"
        )

    def errors(self) -> dict[int, int]:
        """Return how often which status but 200 came; 0 is no answer."""
        statuses, counts = np.unique(self.all.status[self.all.status != 200], return_counts=True)
        return dict(zip(statuses.tolist(), counts.tolist(), strict=True))

    def contradictions(self) -> list[int]:
        """Return the repeated targets whose answers were not always the same."""
        return [n for n, one in enumerate(targets()) if SERIAL not in one.body and len(answers_of(self.all, n)) != 1]


def answers_of(requests: Requests, number: int) -> set[int]:
    return set(requests.digest[(requests.target == number) & (requests.status == 200)].tolist())


def told(
    folder: Path, server: RedisServer, fault: Callable[[], None], repair: Callable[[], None], **settings: object
) -> Story:
    """Load a service, do the fault, undo it, wait until Redis is in use again without a miss step."""
    with (
        running_service(folder, redis_url=server.url, cache_entries=8, **settings) as service,
        running_source(folder / "source", service.port, targets(), [Phase(120, rate=RATE)]) as source,
    ):
        rises(service, "hit", by=2 * RATE, within=20)
        began = time.monotonic()
        fault()
        try:
            lasting(FAULT_SECONDS)
        finally:
            ended = time.monotonic()
            repair()
        rises(service, "hit", by=RATE // 3, within=4 * BACK_WITHIN)
        back = time.monotonic() - ended
        wrong = redis_look_ups(service, "skipped") + redis_look_ups(service, "error")
        rises(service, "hit", by=RATE, within=10)
        assert redis_look_ups(service, "skipped") + redis_look_ups(service, "error") == wrong
        return Story(source.stop(), began, ended, back)


def test_redis_stopped_under_load_costs_nobody_an_error_or_a_long_wait(
    tmp_path: Path, redis: RedisServer, figure: Callable[[str], None]
) -> None:
    story = told(tmp_path, redis, redis.freeze, redis.thaw)
    story.require_sound()
    assert story.errors() == {}
    figure(f"Redis stopped under load: {story.held()}")
    assert story.contradictions() == []


def test_redis_killed_and_restarted_under_load_costs_nobody_an_error_or_a_long_wait(
    tmp_path: Path, redis: RedisServer, figure: Callable[[str], None]
) -> None:
    story = told(tmp_path, redis, redis.kill, redis.start)
    story.require_sound()
    assert story.errors() == {}
    figure(f"Redis killed and started under load: {story.held()}")
    assert story.contradictions() == []


def test_without_the_deadline_a_stopped_redis_holds_everybody_up(tmp_path: Path, redis: RedisServer) -> None:
    """The control: with the protection off the same fault breaks the promise."""
    story = told(tmp_path, redis, redis.freeze, redis.thaw, redis_deadline=10)
    assert story.during.percentile(99) > PROTECTED
