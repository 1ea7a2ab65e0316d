"""Rate, errors, duration: what the shop tells about each request. This is the file that you write."""

import time
from typing import Any

from fastapi import FastAPI
from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics, start_http_server

METRICS_PORT = 18361
STATUSES = ("2xx", "3xx", "4xx", "5xx")
OTHER = "other"

disable_created_metrics()  # else each series has a second one that says since when it is there

# TODO 1: a Counter, shop_requests_total, with the labels route and status. It counts answers.
REQUESTS: Any = None
# TODO 2: a Histogram, shop_request_seconds, with the label route. Choose its buckets: upper limits in seconds,
#   each at most twice the one before, from where /items answers to beyond where a slow /checkout does (task.env).
SECONDS: Any = None
# TODO 3: a Gauge, shop_in_flight, without labels: requests that have come in and are not answered yet.
IN_FLIGHT: Any = None


def route_of(scope: dict[str, Any]) -> str:
    """Return the label `route` of a request.

    After the shop has answered, scope["route"].path is the template that matched, such as /items/{item}.
    There is no scope["route"] when nothing matched.
    """
    return str(scope["path"])  # TODO 4: this is what the client typed. Anybody can invent a million of those.


class Measured:
    """Stands around the shop: sees each request come in, and its answer go out."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 200  # TODO 5: what is true of a request whose code breaks before it has sent any answer?

        async def watched(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        # TODO 6: one more in flight; note the time (time.perf_counter()).
        try:
            await self.app(scope, receive, watched)
        finally:
            # TODO 7: this runs however the request ends. One less in flight, one more counted (status as "2xx",
            #   "5xx" …), its duration observed.
            pass


def measure(app: FastAPI) -> None:
    """Put the measuring around the shop, and open the port that Prometheus reads."""
    app.add_middleware(Measured)
    if REQUESTS is not None:
        for route in (*(str(getattr(one, "path", "")) for one in app.routes), OTHER):
            for status in STATUSES:
                REQUESTS.labels(route, status)  # born at 0: of a series that is born at 1, the first rise is never seen
    # TODO 8: start_http_server(…) on METRICS_PORT, for 127.0.0.1 only.
