"""A service that tells who it is: python whoami.py --port 18331 --name whoami-1

In the course it is the container image traefik/whoami; this one says the same in Python. Paths:
/health answers "ok"; ?wait=200 in any other path makes it wait 200 ms before it answers.
"""

import argparse
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Door(ThreadingHTTPServer):
    request_queue_size = 128


class Whoami(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open between requests, as the edge likes it
    wbufsize = 65536  # an answer leaves in one piece: in two, the second would wait for the first one's receipt
    name = version = ""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path == "/health":
            self.answer("ok\n")
            return
        time.sleep(min(2000, int(parse_qs(address.query).get("wait", ["0"])[0])) / 1000)
        lines = [f"Name: {self.name}", f"Version: {self.version}", self.requestline]
        self.answer("\n".join([*lines, *(f"{header}: {value}" for header, value in self.headers.items())]) + "\n")

    def answer(self, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Whoami", self.name)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: object = "-", _size: object = "-") -> None:
        if self.path != "/health":  # the edge asks that twice a second
            print(code, self.requestline)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--name", required=True)
    options.add_argument("--version", default="v1")
    chosen = options.parse_args()
    Whoami.name, Whoami.version = chosen.name, chosen.version
    Door(("127.0.0.1", chosen.port), Whoami).serve_forever()
