"""Waiting for what an engine was asked for, with a word on what is in the way."""

import time
from collections.abc import Callable

from labkit.errors import CannotRun
from labkit.stack.obtain.program import Say

POLL = 0.3
SAY_EVERY = 10.0


def wait_until(so: Callable[[], bool], what: Callable[[], str], say: Say, within: float, next_step: str = "") -> None:
    """Wait until something is so, saying now and then `what` is in the way. Raises CannotRun after `within` s."""
    begun = said = time.monotonic()
    while not so():
        now = time.monotonic()
        if now - begun > within:
            raise CannotRun(f"not so within {within:.0f} s: {what()}" + (f"; next: {next_step}" if next_step else ""))
        if now - said > SAY_EVERY:
            say(f"waiting: {what()}")
            said = now
        time.sleep(POLL)
