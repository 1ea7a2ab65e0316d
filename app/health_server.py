"""The small HTTP server of worker and collector: metrics and probes."""

import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import msgspec

from app.config import WrongSetting
from app.telemetry.metrics import CONTENT_TYPE, Metrics

Dependencies = Callable[[], dict[str, str]]
"""Tells how each dependency is: "ok", "down" or "not configured"."""


class HealthServer:
    """Serves `/metrics`, `/healthz` and `/readyz` in threads of its own, between `with` and its end."""

    def __init__(self, host: str, port: int, metrics: Metrics, dependencies: Dependencies) -> None:
        """Raises WrongSetting when the port cannot be listened on. Port 0 takes a free one."""
        try:
            self._server = _Server((host, port), _handler(metrics, dependencies))
        except OSError as error:
            reason = error.strerror or str(error)
            raise WrongSetting(f"LAB_METRICS_PORT={port}: {host} cannot be listened on ({reason})") from None
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A client that hangs must not keep the process alive.
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; anything else is."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def _handler(metrics: Metrics, dependencies: Dependencies) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        # Seconds that a connection may stand idle.
        timeout = 5

        def do_GET(self) -> None:
            match self.path.split("?")[0]:
                case "/metrics":
                    self._answer(200, CONTENT_TYPE, metrics.exposition())
                case "/healthz":
                    self._say(200, {"status": "ok"})
                case "/readyz":
                    found = dependencies()
                    ready = "down" not in found.values()
                    self._say(200 if ready else 503, {"ready": ready, "dependencies": found})
                case _:
                    self._say(404, {"detail": "there are /metrics, /healthz and /readyz"})

        def _say(self, status: int, document: dict[str, Any]) -> None:
            self._answer(status, "application/json", msgspec.json.encode(document))

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Probes and scrapes are no news."""

    return Handler
