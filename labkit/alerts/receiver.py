"""The webhook that Alertmanager calls: it writes down what changed, and notices when nothing comes any more."""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from labkit.alerts.notifications import Journal, Notification, Unreadable, parsed
from labkit.alerts.switch import HEARTBEAT, Limits, Switch

MOST_BODY = 4 << 20
SLOWEST_CALL_S = 5.0
HOST = "127.0.0.1"


class Receiver(ThreadingHTTPServer):
    """Serves POST /webhook and GET /healthz; `journal` and `switch` are touched under one lock."""

    daemon_threads = True
    block_on_close = False  # a caller that hangs does not hold up the end
    request_queue_size = 64

    def __init__(self, port: int, folder: Path, limits: Limits, host: str = HOST) -> None:
        self._lock = threading.Lock()
        self._journal = Journal(folder)
        self._switch = Switch(limits, time.monotonic())
        self._kept = 0
        super().__init__((host, port), Call)

    def take(self, notifications: list[Notification]) -> None:
        """Keep what is new. Raises OSError when it cannot be written: Alertmanager will send it again."""
        with self._lock:
            for one in notifications:
                if one.alert == HEARTBEAT:
                    self._switch.hear(one, time.monotonic())
                else:
                    self._kept += self._journal.add(one)

    def service_actions(self) -> None:
        """Look at the switch; the server's loop calls this twice a second."""
        with self._lock:
            told = self._switch.ask(time.monotonic(), time.time())
            if told is None:
                return
            try:
                self._journal.add(told)
            except OSError as error:
                self._switch.take_back(told)
                print(f"cannot write {told.alert}: {error}", file=sys.stderr, flush=True)

    def health(self) -> dict[str, Any]:
        with self._lock:
            age = self._switch.age(time.monotonic())
            return {"status": "ok", "kept": self._kept, "silent": self._switch.silent, "watchdog_age_s": age}

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class names it
        """Say in one line what went wrong with a call; the server goes on."""
        print(f"{client_address}: {sys.exception()!r}", file=sys.stderr, flush=True)


class Call(BaseHTTPRequestHandler):
    """One call; a body is bounded in size and in time."""

    timeout = SLOWEST_CALL_S
    server: Receiver

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._answer(200, self.server.health())
        else:
            self._answer(404, {"error": f"{self.path[:200]}: there are /healthz and POST /webhook"})

    def do_POST(self) -> None:
        if self.path != "/webhook":
            self._answer(404, {"error": f"{self.path[:200]}: there are /healthz and POST /webhook"})
            return
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self._answer(411, {"error": "a body needs its Content-Length"})
            return
        if int(length) > MOST_BODY:
            self._answer(413, {"error": f"{length} bytes; at most {MOST_BODY}"})
            return
        try:
            self.server.take(parsed(self.rfile.read(int(length)), time.time()))
        except Unreadable as error:
            self._answer(400, {"error": str(error)[:500]})
        except OSError as error:
            self._answer(500, {"error": str(error)})
        else:
            self._answer(200, {})

    def _answer(self, status: int, facts: dict[str, Any]) -> None:
        body = json.dumps(facts).encode()
        self.close_connection = True  # what is left of a refused body is not read
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing of calls that went well: they come every few seconds for ever."""
        if not str(code).startswith("2"):
            super().log_request(code, size)
