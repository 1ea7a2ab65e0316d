"""How a run goes while it runs: read from its growing timeline, shown as one live line."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec
from hdrh.histogram import HdrHistogram
from rich.console import Console
from rich.live import Live
from rich.text import Text

from labkit.loadgen.histograms import decoded, empty, merge

PLAIN_EVERY = 5.0


@dataclass(frozen=True)
class Progress:
    """State of a run: seconds since its start, rates of the last second (requests/s), percentiles so far (seconds).

    `offered` is None and the percentiles are those of the service time in a closed loop.
    """

    elapsed: float
    duration: float
    offered: float | None = None
    achieved: float = 0.0
    sent: int = 0
    failed: int = 0
    p50: float | None = None
    p99: float | None = None

    def line(self) -> str:
        if not self.sent:
            return f"load: starting the generator ({self.elapsed:.0f} s)"
        offered = "" if self.offered is None else f"offered {self.offered:.0f}/s  "
        name = "service time" if self.offered is None else "response time"
        return (
            f"load: {self.elapsed:3.0f} of {self.duration:.0f} s  {offered}achieved {self.achieved:.0f}/s  "
            f"{name} p50 {_ms(self.p50)} p99 {_ms(self.p99)}  failed {self.failed}"
        )


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms"


OnProgress = Callable[[Progress], None]


class TimelineReader:
    """Follows the timeline.jsonl of a run and adds it up."""

    def __init__(self, path: Path, duration: float) -> None:
        self._path = path
        self._duration = duration
        self._offset = 0
        self._file: int | None = None
        self._began = time.monotonic()
        self._times: HdrHistogram = empty()
        self._sent = self._failed = self._seconds = 0
        self._last: dict[str, Any] = {}

    def read(self) -> Progress:
        """Take in what was written since the last call."""
        for line in self._new_lines():
            second = msgspec.json.decode(line)
            self._seconds += 1
            self._sent += second["sent"]
            self._failed += second["failed"]
            if text := second["response_time"] or second["service_time"]:
                merge(self._times, decoded(text))
            self._last = second
        if not self._last:
            return Progress(time.monotonic() - self._began, self._duration)
        p50, p99 = (self._times.get_value_at_percentile(p) / 1e6 for p in (50, 99))
        return Progress(
            elapsed=self._seconds,
            duration=self._duration,
            offered=self._last.get("offered"),
            achieved=self._last["sent"] - self._last.get("follow_ups", 0),
            sent=self._sent,
            failed=self._failed,
            p50=p50 if self._times.total_count else None,
            p99=p99 if self._times.total_count else None,
        )

    def _new_lines(self) -> list[bytes]:
        try:
            with self._path.open("rb") as file:
                number = os.fstat(file.fileno()).st_ino
                if self._file not in (None, number):
                    return []  # the exact timeline has taken the place of the growing one: the run is over
                self._file = number
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.splitlines()


class LiveLine:
    """Shows progress: one line that changes on a terminal, else a line every 5 s."""

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._next = clock()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __call__(self, progress: Progress) -> None:
        if self._live is not None:
            self._live.update(Text(progress.line()), refresh=True)
        elif self._clock() >= self._next:
            self._next = self._clock() + PLAIN_EVERY
            self._console.print(progress.line(), highlight=False, soft_wrap=True)

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
