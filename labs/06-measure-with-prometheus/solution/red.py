"""Rate, errors, duration: what the shop tells about each request. This is the file that you write."""

import time
from typing import Any

from fastapi import FastAPI
from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics, start_http_server

METRICS_PORT = 18361
STATUSES = ("2xx", "3xx", "4xx", "5xx")
OTHER = "other"

disable_created_metrics()  # else each series has a second one that says since when it is there

REQUESTS: Any = Counter("shop_requests_total", "Requests answered.", ["route", "status"])
SECONDS: Any = Histogram(
    "shop_request_seconds",
    "From the request's head to the end of its answer.",
    ["route"],
    buckets=(0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56),
)
IN_FLIGHT: Any = Gauge("shop_in_flight", "Requests that are not answered yet.")


def route_of(scope: dict[str, Any]) -> str:
    """Return the label `route` of a request: the template that matched, one word for all that match none."""
    route = scope.get("route")
    return OTHER if route is None else str(route.path)


class Measured:
    """Stands around the shop: sees each request come in, and its answer go out."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500  # what the client gets when the code breaks before it has sent any answer

        async def watched(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        IN_FLIGHT.inc()
        began = time.perf_counter()
        try:
            await self.app(scope, receive, watched)
        finally:
            route = route_of(scope)
            IN_FLIGHT.dec()
            REQUESTS.labels(route, f"{status // 100}xx").inc()
            SECONDS.labels(route).observe(time.perf_counter() - began)


def measure(app: FastAPI) -> None:
    """Put the measuring around the shop, and open the port that Prometheus reads."""
    app.add_middleware(Measured)
    for route in (*(str(getattr(one, "path", "")) for one in app.routes), OTHER):
        for status in STATUSES:
            REQUESTS.labels(route, status)  # born at 0: of a series that is born at 1, the first rise is never seen
    start_http_server(METRICS_PORT, addr="127.0.0.1")
