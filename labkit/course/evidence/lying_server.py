"""A server whose every answer is a lie with status 200: a load test that looks at answers calls all of them failed."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def lying_server(lies: Mapping[str, Sequence[bytes]]) -> Iterator[tuple[str, Counter[str]]]:
    """Serve the lies of each method (GET, POST) in turn, on a free port of loopback.

    Gives the address and how many answers each method has had so far.
    """
    given: Counter[str] = Counter()
    counting = threading.Lock()

    class Liar(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._lie("GET")

        def do_POST(self) -> None:
            self._lie("POST")

        def _lie(self, method: str) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with counting:
                lie = lies[method][given[method] % len(lies[method])]
                given[method] += 1
            self.send_response(200)
            self.send_header("Content-Length", str(len(lie)))
            self.end_headers()
            self.wfile.write(lie)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # many users connect at once

    server = Server(("127.0.0.1", 0), Liar)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", given
    finally:
        server.shutdown()
        server.server_close()
