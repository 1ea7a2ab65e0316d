"""Decisions of the micro-batcher: whom to let in, and how much to take at once. Pure: no clock, no queue, no thread."""

import math
from collections.abc import Sequence

# Weight of the newest batch in the moving average of the time per row: about the last ten batches count.
_SMOOTHING = 0.2


def admits(waiting_rows: int, seconds_per_row: float, limit_seconds: float) -> bool:
    """Say whether the wait before a new request stays within the limit.

    The wait is that of the rows ahead only, so that one request larger than the limit still gets in when nobody waits.
    """
    return waiting_rows * seconds_per_row <= limit_seconds


def retry_after(waiting_rows: int, seconds_per_row: float) -> int:
    """Return whole seconds after which the queue will have been worked off, at least 1 (RFC 9110, 10.2.3)."""
    return max(1, math.ceil(waiting_rows * seconds_per_row))


def batch_length(sizes: Sequence[int], most_rows: int) -> int:
    """Return how many of the waiting requests (rows of each, oldest first) make the next batch.

    As many as fit in `most_rows`, and always at least one.
    """
    rows = 0
    for count, size in enumerate(sizes):
        rows += size
        if rows > most_rows and count:
            return count
    return len(sizes)


def smoothed(seconds_per_row: float, batch_seconds: float, batch_rows: int) -> float:
    """Return the moving average of the time per row after one more batch (exponential smoothing)."""
    newest = batch_seconds / batch_rows
    return newest if not seconds_per_row else seconds_per_row + _SMOOTHING * (newest - seconds_per_row)
