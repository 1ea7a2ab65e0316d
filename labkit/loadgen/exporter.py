"""The generator's own numbers for Prometheus: what the run's processes reported last, as text on a port of its own.

It runs in the leading process, whose greenlets may also be sending requests: nothing is counted here, a scrape writes
down what is known already, and pauses after each request's lines so that a ticket which is due need not wait for all.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import gevent
from gevent.pywsgi import WSGIServer

from labkit.loadgen.buckets import LATENCY_BUCKETS, Buckets
from labkit.loadgen.recorder import Key

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
LINGER = 3.0
"""Seconds for which the numbers stay after the last request: a few scrapes of one second each."""

HELP: Final = {
    "locust_users": ("gauge", "Users that run."),
    "locust_offered_requests_per_second": ("gauge", "Requests that the schedule wants to start in a second."),
    "locust_requests_total": ("counter", "Requests that are over, and jobs; status 0: no answer came."),
    "locust_failures_total": ("counter", "Of these, how many went wrong, and how."),
    "locust_response_seconds": ("histogram", "Response time: from the intended start to the answer."),
    "locust_service_seconds": ("histogram", "Service time: from the real start to the answer."),
}

logger = logging.getLogger(__name__)


@dataclass
class Sum:
    """One method and route, added up over all processes."""

    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    response_time: Buckets = field(default_factory=Buckets)
    service_time: Buckets = field(default_factory=Buckets)


COUNTED: Final[tuple[tuple[str, str, Callable[[Sum], Counter[str]]], ...]] = (
    ("locust_requests_total", "status", lambda entry: entry.statuses),
    ("locust_failures_total", "reason", lambda entry: entry.reasons),
)
TIMED: Final[tuple[tuple[str, Callable[[Sum], Buckets]], ...]] = (
    ("locust_response_seconds", lambda entry: entry.response_time),
    ("locust_service_seconds", lambda entry: entry.service_time),
)


class Totals:
    """What each process reported last. Reports are cumulative, so that one which is late or lost changes nothing."""

    def __init__(self) -> None:
        self._last: dict[str, list[dict[str, Any]]] = {}

    def take(self, source: str, entries: list[dict[str, Any]]) -> None:
        self._last[source] = entries

    def sums(self) -> dict[Key, Sum]:
        found: dict[Key, Sum] = {}
        for entries in list(self._last.values()):
            for entry in entries:
                total = found.setdefault((entry["method"], entry["name"]), Sum())
                total.statuses.update(entry["statuses"])
                total.reasons.update(entry["reasons"])
                total.response_time.merge(entry["response_time"])
                total.service_time.merge(entry["service_time"])
        return found


def exposition(users: int, offered: float | None, sums: Mapping[Key, Sum]) -> Iterator[str]:
    """Yield the text of a scrape in pieces; `offered` None (a closed loop) leaves its line out."""
    yield _head("locust_users") + f"locust_users {users}\n"
    if offered is not None:
        name = "locust_offered_requests_per_second"
        yield _head(name) + f"{name} {offered!r}\n"
    for name, label, of in COUNTED:
        yield _head(name)
        for key, entry in sums.items():
            labels = _labels(key)
            yield "".join(f'{name}{{{labels},{label}="{_escaped(k)}"}} {n}\n' for k, n in sorted(of(entry).items()))
    for name, times in TIMED:
        yield _head(name)
        for key, entry in sums.items():
            if times(entry).total:
                yield _histogram(name, _labels(key), times(entry))


def _histogram(name: str, labels: str, buckets: Buckets) -> str:
    lines, below = [], 0
    for bound, count in zip((*map(str, LATENCY_BUCKETS), "+Inf"), buckets.counts, strict=True):
        below += count
        lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {below}\n')
    lines.append(f"{name}_sum{{{labels}}} {buckets.sum_us / 1e6!r}\n")
    lines.append(f"{name}_count{{{labels}}} {below}\n")
    return "".join(lines)


def _head(name: str) -> str:
    kind, text = HELP[name]
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n"


def _labels(key: Key) -> str:
    return f'method="{_escaped(key[0])}",route="{_escaped(key[1])}"'


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class Exporter:
    """Serves `/metrics` while the process lives, on loopback unless told otherwise.

    Raises OSError when the port is taken.
    """

    def __init__(self, port: int, pieces: Callable[[], Iterator[str]], host: str = "127.0.0.1") -> None:
        self._pieces = pieces
        self._server = WSGIServer((host, port), self._answer, log=None, error_log=logger)
        self._server.start()

    @property
    def port(self) -> int:
        """The port that is listened on; another one than asked for when that was 0."""
        return int(self._server.server_port)

    def _answer(self, environ: Mapping[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/metrics":
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [b"here is /metrics\n"]
        text = []
        for piece in self._pieces():
            text.append(piece)
            gevent.sleep(0)
        start("200 OK", [("Content-Type", CONTENT_TYPE)])
        return ["".join(text).encode()]

    def close(self) -> None:
        self._server.stop(timeout=1)
