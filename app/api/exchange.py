"""One HTTP exchange on the fast path: what every endpoint shares from the first byte to the log record."""

import asyncio
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from functools import cached_property
from time import time
from typing import Any, Final

from app.api.problems import CONTENT_TYPE as PROBLEM
from app.api.problems import problem
from app.api.protocol import Cycle
from app.core.errors import RequestRefused, Shed
from app.telemetry.catalogue import SHED_REASONS
from app.telemetry.event_log import EventLog, NoLog
from app.telemetry.events import ERROR, INFO, VERSION, Request, template
from app.telemetry.metrics import Counter, Histogram, Metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON: Final = (b"content-type", b"application/json")
_PROBLEM: Final = (b"content-type", PROBLEM)
_METHODS: Final = frozenset(("GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"))
NO_VERSION: Final = "none"
# The route of all requests that no route is for: an unknown path, or a method that the path does not take.
UNMATCHED: Final = "other"
_UNMATCHED_METHODS: Final = frozenset(("GET", "POST"))
# Nobody receives it; it stands in metrics and log, as servers commonly write it (nginx).
CLIENT_CLOSED_REQUEST: Final = 499


class ClientGone(Exception):
    """The client closed the connection before its request was complete; nobody waits for an answer."""


class RouteMeter:
    """Counts and times the answers of one route template."""

    def __init__(self, metrics: Metrics, route: str) -> None:
        self.route = route
        self._metrics = metrics
        self._by: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    @cached_property
    def predicted(self) -> tuple[Counter, Histogram]:
        """What a prediction answered with 200 counts, made with the first one."""
        return self._series("POST", 200)

    def record(self, method: str, status: int, seconds: float) -> None:
        """Count one answer: requests by method and status, service time by method."""
        series = self._by.get((method, status))
        if series is None:
            series = self._by[method, status] = self._series(method, status)
        counter, histogram = series
        counter.value += 1
        histogram.observe(seconds)

    def _series(self, method: str, status: int) -> tuple[Counter, Histogram]:
        counter = self._metrics.counter("http_requests_total", method, self.route, str(status))
        return counter, self._metrics.histogram("http_request_duration_seconds", method, self.route)


class Exchange:
    """The bounds, meters and log that all requests of a process go through."""

    def __init__(
        self,
        metrics: Metrics,
        access_log: EventLog | NoLog,
        *,
        replica: str,
        max_in_flight: int,
        max_body_bytes: int,
        body_timeout: float,
        metered: bool = True,
    ) -> None:
        self.in_flight = 0
        # Bounded apart from the others: while store or queue are away these wait, and predictions must not suffer.
        self.keyed_in_flight = 0
        self.max_in_flight = max_in_flight
        self.max_body_bytes = max_body_bytes
        self._body_timeout = body_timeout
        self._metrics = metrics
        self._append, self._append_line = access_log.append, access_log.append_line
        self._replica = replica
        self._metered = metered
        self._shed = {reason: metrics.counter("http_requests_shed_total", reason) for reason in SHED_REASONS}
        self.unmatched = self.meter(UNMATCHED)
        metrics.gauge("http_requests_in_flight", lambda: self.in_flight + self.keyed_in_flight)

    def meter(self, route: str) -> RouteMeter:
        return RouteMeter(self._metrics, route)

    def declare(self, routes: Mapping[str, Iterable[str]]) -> None:
        """Show the service time of every route (by template, its methods) from the start.

        A client can make up paths and methods as it likes: all that it adds are a few statuses.
        """
        for route, methods in {**routes, UNMATCHED: (*_UNMATCHED_METHODS, "OTHER")}.items():
            for method in methods:
                self._metrics.histogram("http_request_duration_seconds", method.upper(), route)

    async def body(self, scope: Scope, receive: Receive, cycle: Cycle | None) -> bytes:
        """Return the whole body. Raises RequestRefused (too large, too slow) or ClientGone."""
        if cycle is None or cycle.more_body:
            return await self.late_body(scope, receive)
        # All of it has arrived with the head, as small bodies do: no timer is needed.
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        body: bytes = message["body"]
        if len(body) > self.max_body_bytes:
            raise self.too_large(len(body))
        return body

    async def late_body(self, scope: Scope, receive: Receive) -> bytes:
        """Return the whole body, of which nothing may be here yet; raises as `body` does."""
        for name, value in scope["headers"]:
            if name == b"content-length" and int(value) > self.max_body_bytes:
                raise self.too_large(int(value))
        body = bytearray()
        try:
            async with asyncio.timeout(self._body_timeout):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise ClientGone
                    body += message["body"]
                    if len(body) > self.max_body_bytes:
                        raise self.too_large(len(body))
                    if not message["more_body"]:
                        return bytes(body)
        except TimeoutError:
            detail = f"{len(body)} bytes after {self._body_timeout:g} s"
            raise RequestRefused("body-timeout", detail) from None

    def too_large(self, size: int) -> RequestRefused:
        """Return the refusal of a body of (at least) `size` bytes."""
        return RequestRefused("too-large", f"{size} bytes or more; at most {self.max_body_bytes} are taken")

    def full(self, under_way: int) -> Shed:
        """Return the refusal for more requests under way than the bound."""
        return Shed("in_flight", f"{under_way} requests are under way; at most {self.max_in_flight} are taken")

    def refusal(self, refused: RequestRefused, request_id: bytes) -> tuple[int, bytes, Headers]:
        """Return status, body and headers for a refused request, and count what was shed."""
        status, body = problem(refused.kind, refused.detail, request_id)
        headers: Headers = [_PROBLEM]
        if isinstance(refused, Shed):
            self._shed[refused.reason].value += 1
        if refused.retry_after:
            headers.append((b"retry-after", b"%d" % refused.retry_after))
        return status, body, headers

    def finish(
        self,
        scope: Scope,
        meter: RouteMeter,
        status: int,
        seconds: float,
        request_id: str,
        model: str = "",
        version: str = "",
    ) -> None:
        """Count and log one answered request."""
        method = scope["method"]
        if status == 405:
            meter = self.unmatched
        if method not in (_UNMATCHED_METHODS if meter is self.unmatched else _METHODS):
            method = "OTHER"
        if self._metered:
            meter.record(method, status, seconds)
        self._append(
            self._record(method, meter.route, scope["path"][:256], status, seconds, request_id, model, version)
        )

    def finish_predicted(self, meter: RouteMeter, seconds: float, request_id: bytes, line: bytes) -> None:
        """Count and log one prediction that was answered with 200; `line`: of `predicted_line`."""
        if self._metered:
            # What `record` does, without its look-up and calls: this is on the way of every prediction.
            counter, histogram = meter.predicted
            counter.value += 1
            histogram.counts[bisect_left(histogram.bounds, seconds)] += 1
            histogram.total += seconds
        self._append_line(line % (time(), request_id, seconds * 1e6))

    def predicted_line(self, route: str, path: str, model: str, version: str) -> bytes:
        """Return the log line of predictions at this path: see `app.telemetry.events.template`."""
        return template(self._record("POST", route, path, 200, 0.0, "", model, version))

    def _record(
        self, method: str, route: str, path: str, status: int, seconds: float, request_id: str, model: str, version: str
    ) -> Request:
        return Request(
            VERSION,
            self._replica,
            f"{method} {path} {status}",
            time(),
            INFO if status < 500 else ERROR,
            request_id,
            method,
            route,
            path,
            status,
            int(seconds * 1e6),
            model,
            version,
        )


def standard_headers(request_id: bytes, version: bytes, seconds: float) -> Headers:
    """Return the headers that every answer carries; `seconds` of service time, shown in milliseconds."""
    return [
        (b"x-request-id", request_id),
        (b"x-model-version", version),
        (b"server-timing", b"app;dur=%.3f" % (seconds * 1000)),
    ]


async def send_answer(
    send: Send, status: int, payload: bytes, headers: Headers, request_id: bytes, version: bytes, seconds: float
) -> None:
    """Send a whole answer with the standard headers, as ASGI's two messages; nothing to a client that is gone."""
    if status == CLIENT_CLOSED_REQUEST:
        return
    headers.append((b"content-length", b"%d" % len(payload)))
    headers += standard_headers(request_id, version, seconds)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": payload})
