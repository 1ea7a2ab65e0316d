"""Requests to an edge as clients send them: under a host name, counted by who answered."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from labkit.course.evidence.asking import Answer, ask, clients, told, who


class Echo(BaseHTTPRequestHandler):
    """Answers as `whoami`, but a host that begins with x as an edge that knows it not."""

    def do_GET(self) -> None:
        known = not self.headers["Host"].startswith("x")
        body = f"{self.path} {self.headers['Host']}".encode()
        self.send_response(200 if known else 404)
        if known:
            self.send_header("X-Whoami", "one")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_an_answer_has_the_status_the_replica_and_what_it_saw(port):
    assert ask(port, "a.localhost", path="/p") == [Answer(200, "one", "/p a.localhost")]
    assert ask(port, "x.localhost", 2) == [Answer(404, "the edge", "/ x.localhost")] * 2


def test_nobody_there_is_an_answer_too(port):
    answers = ask(1, "a.localhost", 2)
    assert answers == [Answer(0, "nobody")] * 2
    assert told([*answers, *ask(port, "a.localhost")]) == "0 nobody: 2, 200 one: 1"
    assert not who(answers)
    assert told([]) == "nothing"


def test_clients_ask_until_the_block_ends_and_no_longer(port):
    enough = threading.Event()
    with clients(3, port, "a.localhost") as answers:
        while len(answers) < 20:
            enough.wait(0.01)
    count = len(answers)
    enough.wait(0.1)
    assert who(answers) == {"one": count}
    assert len(answers) == count
