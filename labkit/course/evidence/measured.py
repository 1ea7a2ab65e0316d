"""A student's service beside its page of metrics: used as clients do, read as Prometheus does."""

import time
from types import TracebackType
from typing import Any, Self

import httpx

from labkit.course.evidence.metrics import Page, read_page, settled_page

GAUGE_WITHIN = 2.0  # seconds


class MeasuredService:
    """Addresses are HOST:PORT; of the page only metrics with the prefix are looked at."""

    def __init__(self, address: str, metrics: str, prefix: str) -> None:
        self.address, self.metrics = address, metrics
        self._page, self._prefix = f"http://{metrics}/metrics", prefix
        # A connection each: a server closes one on which its code broke, and a client that reuses it gets no answer.
        alone = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.Client(base_url=f"http://{address}", timeout=10, trust_env=False, limits=alone)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def status(self, path: str, body: Any = None) -> int:
        """Return the status that a client gets, of GET or, with a body, of POST; 0 without an answer."""
        try:
            return self._client.request("GET" if body is None else "POST", path, json=body).status_code
        except httpx.HTTPError:
            return 0

    def names(self) -> set[str]:
        """Return what metrics there are. Raises httpx.HTTPError and ValueError when there is no such page."""
        return set(read_page(self._page, self._prefix))

    def page(self) -> Page:
        """Return the metrics once they stand still; nothing if they do not."""
        return settled_page(self._page, self._prefix) or {}

    def gauge(self, name: str, wanted: float) -> float:
        """Return the sum of a gauge as soon as it is what is wanted, or after two seconds."""
        deadline = time.monotonic() + GAUGE_WITHIN
        while True:
            seen = sum(read_page(self._page, self._prefix).get(name, {}).values())
            if seen == wanted or time.monotonic() > deadline:
                return seen
            time.sleep(0.05)
