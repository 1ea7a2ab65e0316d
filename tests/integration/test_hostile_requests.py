"""Over ten thousand malformed requests against a real process: no failure, no restart, no growth.

Memory is the process's resident set (psutil): after a warm-up in which every model answered valid requests, small
ones and the largest allowed, and again after everything was sent.
"""

import contextlib
import socket
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.hostile_corpus import MB, Hostile, corpus
from tests.hostile_generated import generated, mutated, valid_bodies
from tests.hostile_keyed import KEYED, keyed_corpus
from tests.job_service import keys_file
from tests.raw_http import RawAnswer, Wire, post, wire
from tests.redis_server import RedisServer
from tests.sample_rows import IRIS
from tests.service import ROOT, Service, end, free_ports, running_service, start_bound

WANTED = 10_000
MOST_GROWTH = 20e6
HUGE = 200 * MB


class Tally:
    """What came of the requests sent."""

    def __init__(self) -> None:
        self.sent = 0
        self.statuses: Counter[int] = Counter()
        self.failures: list[str] = []

    def add(self, name: str, answer: RawAnswer | None) -> None:
        """Count one request; `None` stands for a connection that was closed without an answer."""
        self.sent += 1
        self.statuses[answer.status if answer else 0] += 1
        if answer and answer.status >= 500 and not (answer.status == 503 and answer.header("retry-after")):
            self.failures.append(f"{answer.status} for {name}: {answer.body[:200]!r}")


class Line:
    """A connection that is opened again whenever the service has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._wire = Wire(port)

    def exchange(self, data: bytes) -> RawAnswer | None:
        """Send well-formed HTTP; return the answer that it must get."""
        for _ in range(2):
            self._wire.send(data)
            answer = self._wire.answer()
            if answer is None or answer.header("connection") == "close":
                self.close()
                self._wire = Wire(self._port)
            if answer is not None:
                return answer
        return None

    def close(self) -> None:
        self._wire.close()


def send_all(port: int, requests: Iterable[Hostile], tally: Tally) -> None:
    with contextlib.closing(Line(port)) as line:
        for request in requests:
            if not request.framed:
                tally.add(request.name, ask_once(port, request.data))
                continue
            answer = line.exchange(request.data)
            tally.add(request.name, answer)
            if answer is None:
                tally.failures.append(f"no answer to {request.name}")


def ask_once(port: int, data: bytes) -> RawAnswer | None:
    """Send bytes on a connection of their own, and say that no more will come; return the first answer."""
    with wire(port) as connection:
        connection.send(data)
        with contextlib.suppress(OSError):
            connection.socket.shutdown(socket.SHUT_WR)
        return connection.answer(head=data.startswith(b"HEAD"))


def huge_bodies(port: int, tally: Tally) -> None:
    """Send 200 MB to each kind of route, with an honest length and in chunks, whatever the service says."""
    block = b" " * MB
    for path in ("/predict", "/v2/models/sentiment/infer", "/models/oak/predict", "/healthz", "/jobs"):
        start = f"POST {path} HTTP/1.1\r\nHost: lab\r\n{KEYED}\r\n".encode()
        for how, head, chunk in (
            ("with its length", start + b"Content-Length: %d\r\n\r\n" % HUGE, block),
            ("in chunks", start + b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n%b\r\n" % (MB, block)),
        ):
            with wire(port, timeout=60.0) as connection:
                connection.send(head)
                for _ in range(HUGE // MB):
                    if not connection.send(chunk):
                        break
                answer = connection.answer()
            tally.add(f"200 MB to {path} {how}", answer)
            assert answer is not None
            assert answer.status in {404, 405, 413}, (path, how, answer)


def dribble(port: int, request: bytes, kept: int, connections: int) -> Iterator[list[RawAnswer | None]]:
    """Open connections and send `request` on each, `kept` bytes at once and then one at a time, until all are ended."""
    with contextlib.ExitStack() as opened:
        slow = [opened.enter_context(wire(port)) for _ in range(connections)]
        for one in slow:
            one.send(request[:kept])
        rest = iter(request[kept:])
        ended: set[Wire] = set()

        def all_ended() -> bool:
            byte = bytes([next(rest)])
            for one in slow:
                if one in ended:
                    continue
                one.send(byte)
                if readable(one.socket):
                    ended.add(one)
            return len(ended) == len(slow)

        eventually(all_ended, within=30.0, every=0.05, what="the service ends every slow connection")
        yield [one.answer() for one in slow]


def readable(one: socket.socket) -> bool:
    """Say whether an answer or the end of the connection has arrived."""
    one.setblocking(False)
    try:
        one.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        one.settimeout(15.0)
    return True


def slow_senders(port: int, tally: Tally) -> None:
    """Send heads and bodies a byte at a time: the service gives up on them, and answers others meanwhile."""
    head = b"POST /predict HTTP/1.1\r\nHost: lab\r\nX-Slow: " + b"a" * 2000
    body = b"POST /predict HTTP/1.1\r\nHost: lab\r\nContent-Length: 3000\r\n\r\n" + b" " * 3000
    start_of_body = body.index(b"\r\n\r\n") + 4
    for name, request, kept, status in (
        ("slow head", head, 1, 0),
        ("slow head after a line", head, 30, 0),
        ("slow body", body, start_of_body + 1, 408),
        ("body that begins late", body, start_of_body, 408),
    ):
        for answers in dribble(port, request, kept, connections=20):
            for answer in answers:
                tally.add(name, answer)
                assert (answer.status if answer else 0) == status, name


def silent_senders(port: int, tally: Tally) -> None:
    """Send a part of a request and nothing more, for ever."""
    parts = {
        "half a head": (b"POST /predict HTT", 0),
        "head without its end": (b"POST /predict HTTP/1.1\r\nHost: lab\r\n", 0),
        "head without its body": (b"POST /predict HTTP/1.1\r\nHost: lab\r\nContent-Length: 10\r\n\r\n", 408),
        "half a body": (post("/predict", b'{"data": [[1, 2, 3, 4]]}')[:-3], 408),
        "half a chunk": (b"POST /predict HTTP/1.1\r\nHost: lab\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", 408),
    }
    with contextlib.ExitStack() as opened:
        waiting = [(name, opened.enter_context(wire(port)), *part) for name, part in parts.items() for part in [part]]
        for _, connection, data, _ in waiting:
            connection.send(data)
        for name, connection, _, status in waiting:
            answer = connection.answer()
            tally.add(name, answer)
            assert (answer.status if answer else 0) == status, name


def warm_up(service: Service) -> None:
    """Let every model answer, small requests and the largest."""
    for path, body in valid_bodies():
        for _ in range(20):
            assert service.request("POST", path, body).status == 200
    for path, body in valid_bodies():
        service.request("POST", path, body.ljust(MB))
    for path in ("/", "/models", "/v2", "/openapi.json", "/nope"):
        service.get(path)


@pytest.fixture
def exposed(tmp_path: Path, redis: RedisServer) -> Iterator[Service]:
    """A service that gives up on slow senders soon, so that a test can wait for it; it has a store, but no Kafka."""
    keyed = {"api_keys_file": keys_file(tmp_path), "store_url": redis.url, "job_rate": 1e6, "job_burst": 1_000_000}
    with running_service(tmp_path, head_timeout=1.0, body_timeout=2.0, **keyed) as running:
        yield running


def test_ten_thousand_malformed_requests_do_no_harm(exposed, record_property):
    document = exposed.get("/openapi.json").json()
    from_document = generated(document, examples=30)
    assert len(from_document) > 1000
    warm_up(exposed)
    before = exposed.resident_bytes()

    tally = Tally()
    send_all(exposed.port, corpus(), tally)
    send_all(exposed.port, keyed_corpus(), tally)
    send_all(exposed.port, from_document, tally)
    slow_senders(exposed.port, tally)
    silent_senders(exposed.port, tally)
    huge_bodies(exposed.port, tally)
    send_all(exposed.port, mutated(max(1000, WANTED - tally.sent)), tally)

    grown = exposed.resident_bytes() - before
    record_property("requests", tally.sent)
    record_property("resident_growth_bytes", grown)
    print(f"{tally.sent} requests, {dict(sorted(tally.statuses.items()))}, resident memory {grown / 1e6:+.1f} MB")
    assert tally.failures == []
    assert tally.sent >= WANTED
    assert exposed.same_process()
    assert exposed.post("/predict", {"data": IRIS}).json() == {"result": [0, 2]}
    assert grown <= MOST_GROWTH, f"resident memory grew by {grown / 1e6:.1f} MB"
    after = exposed.settled()
    assert after.total("http_requests_total", status="500") == 0
    assert after.total("model_queue_rows") == 0
    assert exposed.errors.read_text() == ""


@pytest.fixture
def careless(tmp_path: Path) -> Iterator[int]:
    """The port of a service that trusts its input."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "tests.integration.careless_service", str(port)]
    with (tmp_path / "careless.log").open("wb") as log:
        process = start_bound(command, stdout=log, stderr=log, cwd=ROOT)
    try:
        eventually(lambda: ask_once(port, b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n"))
        yield port
    finally:
        end(process)


def test_the_same_requests_break_a_careless_service(careless):
    """The control: what the test above asserts does not hold for a service without our checks."""
    tally = Tally()
    send_all(careless, [one for one in corpus() if one.name.startswith("iris: ")], tally)
    send_all(careless, mutated(200), tally)
    assert len(tally.failures) > 100
    assert tally.statuses[500] > 100


def test_a_head_is_not_collected_without_bound(exposed):
    """A header of 8 MB is refused after its first part; before, the parser copied it again with every packet."""
    with wire(exposed.port) as connection:
        connection.send(b"GET / HTTP/1.1\r\nX-A: ")
        sent = sum(connection.send(b"a" * 65536) for _ in range(128))
        answer = connection.answer()
    assert answer is None or answer.status == 431
    assert sent < 128 or answer is not None
    assert exposed.settled().total("http_requests_total", status="431", method="OTHER", route="other") == 1


def test_heads_that_arrive_in_time_are_not_cut_off(exposed):
    """The control of the slow heads: in parts, but within the time, a request is answered."""
    request = post("/predict", b'{"data": [[5.1, 3.5, 1.4, 0.2]]}')
    with wire(exposed.port) as connection:
        for start in range(0, len(request), 10):
            connection.send(request[start : start + 10])
        answer = connection.answer()
    assert answer is not None
    assert answer.status == 200


def test_connections_may_rest_for_longer_than_a_head_may_take(exposed):
    """The guard against slow heads leaves idle connections alone: here while two slow ones are given up.

    One of them rests after a body that came when its request was answered already.
    """
    request = post("/predict", b'{"data": [[5.1, 3.5, 1.4, 0.2]]}')
    with wire(exposed.port) as resting, wire(exposed.port) as answered_early:
        resting.send(request)
        assert resting.answer() is not None
        answered_early.send(b"POST /healthz HTTP/1.1\r\nHost: lab\r\nContent-Length: 5\r\n\r\n")
        assert answered_early.answer() is not None
        answered_early.send(b"12345")
        for _ in range(3):
            with wire(exposed.port) as slow:
                slow.send(b"POST")
                assert slow.closed()
        for connection in (resting, answered_early):
            connection.send(request)
            answer = connection.answer()
            assert answer is not None
            assert answer.status == 200


def test_the_rest_of_a_refused_body_may_not_trickle_for_ever(exposed):
    with wire(exposed.port) as connection:
        connection.send(b"POST /healthz HTTP/1.1\r\nHost: lab\r\nContent-Length: 5000\r\n\r\n")
        assert connection.answer() is not None

        def closed():
            connection.send(b"x")
            return readable(connection.socket)

        eventually(closed, within=30)
        assert connection.answer() is None
