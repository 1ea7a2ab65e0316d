"""A stretch of time, the step that suits it and the words that stand for both in a query; as Grafana does it."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

LONGEST_S = 31 * 86400.0
MOST_POINTS = 2000

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_WORD = re.compile(r"\$\{(\w+)(?::\w+)?\}|\$(\w+)|\[\[(\w+)\]\]")
# Upper limit and what it is rounded to, in milliseconds (source: Grafana's rangeutil.roundInterval).
_ROUNDED = (
    (10, 1), (15, 10), (35, 20), (75, 50), (150, 100), (350, 200), (750, 500), (1_500, 1_000), (3_500, 2_000),
    (7_500, 5_000), (12_500, 10_000), (17_500, 15_000), (25_000, 20_000), (45_000, 30_000), (90_000, 60_000),
    (210_000, 120_000), (450_000, 300_000), (750_000, 600_000), (1_050_000, 900_000), (1_500_000, 1_200_000),
    (2_700_000, 1_800_000), (5_400_000, 3_600_000), (9_000_000, 7_200_000), (16_200_000, 10_800_000),
    (32_400_000, 21_600_000), (86_400_000, 43_200_000),
)  # fmt: skip


class WrongTime(ValueError):
    """A time or a duration that cannot be read, or a stretch that cannot be shown."""


@dataclass(frozen=True)
class Window:
    """From `start` to `end`, epoch seconds."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def aligned(self, step: float) -> tuple[float, float, int]:
        """Return start and end as multiples of the step and the number of points, so that refreshes keep the grid."""
        start, end = (math.floor(t / step + 1e-6) * step for t in (self.start, self.end))
        return start, end, round((end - start) / step) + 1


def window(start: str, end: str, now: float) -> Window:
    """Read two times: "now", "now-15m" or epoch milliseconds. Raises WrongTime."""
    found = Window(_time(start, now), _time(end, now))
    if not 1 <= found.seconds <= LONGEST_S:
        raise WrongTime(f"from {start} to {end} is {found.seconds:.0f} s; from 1 s to {LONGEST_S:.0f} s can be shown")
    return found


def duration(text: str) -> float:
    """Read "15s", "1h30m" or Grafana's ">10s"; returns seconds. Raises WrongTime."""
    bare = text.strip().lstrip(">")
    parts = _DURATION.findall(bare)
    if not parts or "".join(f"{n}{unit}" for n, unit in parts) != bare:
        raise WrongTime(f"duration {text!r}; next: write it like 30s, 15m, 1h")
    return sum(float(n) * _UNITS[unit] for n, unit in parts)


def step_for(span: Window, points: int, least: float) -> float:
    """Return the step in seconds that gives about so many points, a round number, never under `least`."""
    ms = span.seconds * 1000 / max(1, min(points, MOST_POINTS))
    rounded = next((value for limit, value in _ROUNDED if ms < limit), 86_400_000)
    return max(rounded / 1000, least)


def time_words(span: Window, step: float, scrape: float) -> dict[str, str]:
    """Return the words that Grafana knows of a query's time ($__rate_interval covers four scrapes at least)."""
    rate, length = max(step + scrape, 4 * scrape), max(1, round(span.seconds))
    return {
        "__interval": _written(step),
        "__interval_ms": str(round(step * 1000)),
        "__rate_interval": _written(rate),
        "__rate_interval_ms": str(round(rate * 1000)),
        "__range": f"{length}s",
        "__range_s": str(length),
        "__range_ms": str(length * 1000),
        "__from": str(round(span.start * 1000)),
        "__to": str(round(span.end * 1000)),
    }


def interpolated(text: str, words: Mapping[str, str]) -> str:
    """Replace $word, ${word} and [[word]]; what is unknown stays, so that the answer names it."""

    def word(match: re.Match[str]) -> str:
        return words.get(match[1] or match[2] or match[3], match[0])

    return _WORD.sub(word, text)


def _time(text: str, now: float) -> float:
    if text == "now":
        return now
    if text.startswith("now-"):
        return now - duration(text[4:])
    if text.isascii() and text.isdigit() and len(text) <= 15:
        return int(text) / 1000
    raise WrongTime(f"time {text!r}; next: write now, now-15m or epoch milliseconds")


def _written(seconds: float) -> str:
    return f"{seconds:.0f}s" if seconds == round(seconds) else f"{seconds * 1000:.0f}ms"
