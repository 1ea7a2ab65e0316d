"""The metrics page: however many ask for it at once, the event loop that serves predictions writes it once."""

import asyncio
from typing import Final

from app.api.exchange import App, Receive, Scope, Send
from app.telemetry.metrics import CONTENT_TYPE, Metrics

# Seconds from one writing to the next at least: who asks sooner waits, and gets what is true then.
_APART: Final = 0.1


class SharedExposition:
    """Writes the metrics for everybody who has asked since the last time; nothing shown is older than its request."""

    def __init__(self, metrics: Metrics, apart: float = _APART) -> None:
        self._metrics = metrics
        self._apart = apart
        self._next: asyncio.Task[bytes] | None = None
        self._allowed_at = 0.0

    async def text(self) -> bytes:
        """Return Prometheus' text format as of a moment after this call."""
        if self._next is None:
            self._next = asyncio.create_task(self._write())
        return await asyncio.shield(self._next)  # one scraper that gives up takes nothing from the others

    async def _write(self) -> bytes:
        loop = asyncio.get_running_loop()
        # Also without a wait one turn of the loop passes, in which those who asked at the same time join.
        await asyncio.sleep(max(0.0, self._allowed_at - loop.time()))
        self._next = None
        self._allowed_at = loop.time() + self._apart
        return self._metrics.exposition()


def exposition_app(metrics: Metrics) -> App:
    """Return the ASGI application of the metrics port."""
    shared = SharedExposition(metrics)
    headers = [(b"content-type", CONTENT_TYPE.encode())]

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        found = scope["path"] == "/metrics" and scope["method"] in ("GET", "HEAD")
        body = await shared.text() if found else b"the metrics are at /metrics\n"
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": 200 if found else 404, "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": body})

    return app
