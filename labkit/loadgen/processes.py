"""Processes that end together: a child that dies with its parent, a group that is gone when a run is over."""

import contextlib
import ctypes
import os
import signal
import sys
import time

_PR_SET_PDEATHSIG = 1


def end_with_parent(signal_number: int) -> None:
    """Ask Linux to send this process a signal when the thread that started it ends; elsewhere do nothing."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent:  # it died in between, and no signal will come
        os.kill(os.getpid(), signal_number)


def end_group(group: int, *, within: float) -> None:
    """Wait until no process of a process group is left, and kill what is there after `within` seconds."""
    deadline = time.monotonic() + within
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(0.05)
        os.killpg(group, signal.SIGKILL)
