"""Log records as the stores keep them, made of GELF messages and of the edge's access log. Pure but for its clock."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

# GELF's own defaults and bounds.
VERSIONS: Final = ("1.1", "1.0")
_ALERT: Final = 1
_LATEST: Final = 1e11  # epoch seconds of the year 5138: beyond it somebody sent milliseconds, or nonsense
_LARGEST: Final = 2**63 - 1  # that a store takes as a whole number

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class NotARecord(Exception):
    """What came is no log record; `reason` is one of the catalogue's GELF_REJECTIONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LogRecord(NamedTuple):
    """One record; the names are those of the stores' columns and documents.

    `ident` is unique and ascending, `time` in epoch seconds, `level` syslog's, `fields` a JSON object of all else.
    """

    ident: int
    time: float
    host: str
    level: int
    event: str
    message: str
    request_id: str | None
    method: str | None
    route: str | None
    path: str | None
    status: int | None
    duration_us: int | None
    model: str | None
    model_version: str | None
    fields: str | None


class Maker:
    """Makes records, each with the next number: over a restart too when `first` comes from a clock."""

    def __init__(self, first: int, clock: Callable[[], float]) -> None:
        self._ident = first
        self._clock = clock

    def from_gelf(self, data: bytes | bytearray | memoryview) -> LogRecord:
        """Decode one GELF message (plain JSON). Raises NotARecord.

        A value that does not fit its column, such as a status of "abc", is kept among the other fields.
        """
        left = _json_object(data)
        pop = left.pop
        host, message = pop("host", None), pop("short_message", None)
        if type(host) is not str or type(message) is not str or pop("version", None) not in VERSIONS:
            raise NotARecord("not-gelf")
        time, level, event = pop("timestamp", None), pop("level", _ALERT), pop("_event", "message")
        if type(time) not in {float, int} or not 0 <= time < _LATEST:
            if time is not None:
                left["timestamp"] = time
            time = self._clock()
        if type(level) is not int or not 0 <= level <= 7:
            left["level"] = level
            level = _ALERT
        if type(event) is not str:
            left["event"] = event
            event = "message"
        self._ident += 1
        return LogRecord(
            self._ident,
            float(time),
            host,
            level,
            event,
            message,
            _text(left, "_request_id"),
            _text(left, "_method"),
            _text(left, "_route"),
            _text(left, "_path"),
            _whole(left, "_status", 999),
            _whole(left, "_duration_us", _LARGEST),
            _text(left, "_model"),
            _text(left, "_model_version"),
            _others(left) if left else None,
        )

    def from_edge(self, line: bytes) -> LogRecord:
        """Decode one line of Traefik's JSON log: of its access log, or of what it says of itself. Raises NotARecord.

        Like the service's, an access record has the time of the answer: its start lies `duration_us` before.
        """
        left = _json_object(line)
        status = left.get("DownstreamStatus")
        if type(status) is not int or not 0 <= status < 1000:
            return self._said_by_edge(left)
        nanoseconds = left.get("Duration")
        duration = nanoseconds if type(nanoseconds) is int and 0 <= nanoseconds <= _LARGEST else 0
        asked, given = left.get("request_X-Request-Id"), left.get("downstream_X-Request-Id")
        method, path, origin = left.get("RequestMethod"), left.get("RequestPath"), left.get("OriginDuration")
        others = {
            "origin_duration_us": origin // 1000 if type(origin) is int else None,
            "replica_url": left.get("ServiceURL"),
            "retries": left.get("RetryAttempts"),
        }
        self._ident += 1
        return LogRecord(
            self._ident,
            self._moment(left.get("StartUTC")) + duration / 1e9,
            "traefik",
            3 if status >= 500 else 6,
            "edge",
            f"{method} {path} {status}",
            next((one for one in (asked, given) if type(one) is str and one), None),
            method if type(method) is str else None,
            None,
            path if type(path) is str else None,
            status,
            duration // 1000,
            None,
            None,
            _encode({name: value for name, value in others.items() if value is not None}).decode(),
        )

    def _said_by_edge(self, left: dict[str, Any]) -> LogRecord:
        message = left.pop("message", None) or left.pop("msg", None)
        if type(message) is not str:
            raise NotARecord("not-gelf")
        level = {"error": 3, "warn": 4, "warning": 4, "info": 6, "debug": 7}.get(str(left.pop("level", "")), 2)
        self._ident += 1
        time = self._moment(left.pop("time", None))
        columns = (None,) * 8
        return LogRecord(self._ident, time, "traefik", level, "message", message, *columns, _others(left))

    def _moment(self, text: Any) -> float:
        try:
            return datetime.fromisoformat(text).timestamp()
        except (TypeError, ValueError, OverflowError):
            return self._clock()


def _json_object(data: bytes | bytearray | memoryview) -> dict[str, Any]:
    try:
        found = _decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise NotARecord("unreadable") from None
    if type(found) is not dict:
        raise NotARecord("not-gelf")
    return found


def _text(left: dict[str, Any], name: str) -> str | None:
    value = left.pop(name, None)
    if value is None or type(value) is str:
        return value
    left[name] = value
    return None


def _whole(left: dict[str, Any], name: str, most: int) -> int | None:
    value = left.pop(name, None)
    if value is None or (type(value) is int and 0 <= value <= most):
        return value
    left[name] = value
    return None


def _others(left: dict[str, Any]) -> str:
    """Return what has no column, as JSON; GELF's underscore is no part of a name."""
    try:
        return _encode({name.removeprefix("_"): value for name, value in left.items()}).decode()
    except (msgspec.EncodeError, ValueError, RecursionError):
        raise NotARecord("unreadable") from None
