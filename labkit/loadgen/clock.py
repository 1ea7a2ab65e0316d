"""The generator's clock and its alarm: epoch seconds that never jump, and a wait that is precise to about 0.1 ms.

gevent's own timers go through epoll, whose time-outs are whole milliseconds: 0.6 ms late at the median and 1.1 ms
at the 99th percentile, which would be most of the response time of a fast service. A Linux timerfd is not rounded.
"""

import ctypes
import os
import sys
import time

import gevent

_EPOCH = time.time() - time.perf_counter()
# perf_counter is CLOCK_MONOTONIC, which timerfd counts by, on Linux.
_CLOCK_MONOTONIC, _ABSOLUTE = 1, 1
_NANO = 1_000_000_000


def now() -> float:
    """Return epoch seconds from a monotonic counter: a correction of the system's clock does not shift a run."""
    return time.perf_counter() + _EPOCH


class _Span(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Setting(ctypes.Structure):
    _fields_ = (("interval", _Span), ("value", _Span))


class Alarm:
    """Wakes one greenlet at given times. Close it; where there is no timerfd, gevent.sleep does the waiting."""

    def __init__(self) -> None:
        self._fd = -1
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._fd = self._libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd >= 0:
            self._hub = gevent.get_hub()
            self._readable = self._hub.loop.io(self._fd, 1)

    def wait_until(self, moment: float) -> None:
        """Return at `moment`, in the epoch seconds of `now`; at once when it has passed."""
        if moment <= now():
            return
        if self._fd < 0:
            gevent.sleep(moment - now())
            return
        due = int((moment - _EPOCH) * _NANO)
        setting = _Setting(_Span(0, 0), _Span(due // _NANO, due % _NANO))
        if self._libc.timerfd_settime(self._fd, _ABSOLUTE, ctypes.byref(setting), None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")
        self._hub.wait(self._readable)
        os.read(self._fd, 8)

    def close(self) -> None:
        if self._fd >= 0:
            self._readable.close()
            os.close(self._fd)
            self._fd = -1
