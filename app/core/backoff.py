"""How long to leave alone what has just failed. Pure: the caller has the clock."""

from typing import Final

FIRST_SECONDS: Final = 0.05


class Backoff:
    """Pauses that double from one failure to the next, up to a bound; the first success ends them."""

    def __init__(self, longest: float) -> None:
        """`longest`: seconds of the longest pause."""
        self._longest = longest
        self._pause = 0.0
        self.until = 0.0
        """Time of the caller's clock before which nothing should be tried."""

    def failed(self, now: float) -> float:
        """Begin a pause; return its seconds."""
        self._pause = min(max(2 * self._pause, FIRST_SECONDS), self._longest)
        self.until = now + self._pause
        return self._pause

    def succeeded(self) -> None:
        self._pause = self.until = 0.0
