"""Polling for what a live system reaches in its own time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(probe: Callable[[], T], *, within: float = 10.0, every: float = 0.05, what: str = "") -> T:
    """Return the first truthy value of `probe`, called every `every` seconds for at most `within` seconds.

    An exception counts as "not yet". Raises AssertionError with the last value or exception seen.
    """
    deadline = time.monotonic() + within
    while True:
        last: object
        try:
            last = value = probe()
            if value:
                return value
        except Exception as error:
            last = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {within} s: {what or probe}; last seen: {last!r}")
        time.sleep(every)
