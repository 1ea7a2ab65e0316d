"""Moments and lengths of time as people write them."""

import re
from datetime import datetime

from labkit.errors import CannotRun

_LENGTH = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
DEFAULT = "15m"


def seconds(text: str, option: str) -> float:
    """Return a length of time such as 30s, 5m, 1.5h or 2d in seconds. Raises CannotRun that names the option."""
    found = _LENGTH.fullmatch(text)
    length = float(found.group(1)) * _SECONDS[found.group(2)] if found else 0.0
    if not 0 < length < 1e10:
        raise CannotRun(f"{option} {text}: write a length of time such as 30s, 5m, 1h or 2d")
    return length


def moment(text: str, option: str, now: float) -> float:
    """Return a moment in epoch seconds: 12:30[:05] of today, 2026-11-03[T12:30[:05]] or epoch seconds themselves.

    Local time unless it says otherwise. Raises CannotRun that names the option.
    """
    if re.fullmatch(r"[0-9]{9,11}(\.[0-9]+)?", text):
        return float(text)
    today = datetime.fromtimestamp(now).astimezone().date().isoformat()
    try:
        return datetime.fromisoformat(f"{today}T{text}" if re.match(r"[0-9]{2}:", text) else text).timestamp()
    except (ValueError, OverflowError):
        raise CannotRun(f"{option} {text}: write 12:30, 12:30:05, 2026-11-03T12:30 or epoch seconds") from None


def window(last: str | None, since: str | None, until: str | None, now: float) -> tuple[float, float]:
    """Return (start, end) of what --last, --from and --to ask for. Raises CannotRun when they contradict."""
    if last and (since or until):
        raise CannotRun("--last is up to now; next: leave it out, or leave out --from and --to")
    if not since and not until:
        # What was written a moment ago may have a time of a clock that is ahead by a little.
        return now - seconds(last or DEFAULT, "--last"), now + 1.0
    end = moment(until, "--to", now) if until else now + 1.0
    start = moment(since, "--from", now) if since else end - seconds(DEFAULT, "--last")
    if start >= end:
        raise CannotRun(f"--from {since or start} is not before --to {until or 'now'}; next: exchange them")
    return start, end


def clock(time: float) -> str:
    """Return the local time of day with milliseconds."""
    return datetime.fromtimestamp(time).astimezone().strftime("%H:%M:%S.%f")[:-3]
