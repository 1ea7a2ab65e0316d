"""Progress lines with the time since the command began, on stderr, so that stdout holds only the result."""

import sys
import time


class Progress:
    """Called with a text, prints it as one line at once."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    def __call__(self, text: str) -> None:
        print(f"[{self.seconds:6.1f} s] {text}", file=sys.stderr, flush=True)
