"""A real service that logs over GELF: one valid record for each request, whatever is in it and whoever listens."""

import json
import os
import random
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

import pytest

from tests.eventually import eventually
from tests.gelf_receiver import GelfReceiver
from tests.raw_http import RawAnswer, Wire, post, wire
from tests.service import Scrape, Service, end, running_service

HOSTILE = 1000
BODY = b'{"data": [[5.1, 3.5, 1.4, 0.2]]}'
# What somebody might hope to forge a record with, to break a line, a terminal or a parser.
TEXTS = (
    b'"}\r\n{"version":"1.1","host":"x","short_message":"forged","_event":"request"}',
    b'{"version":"1.1","host":"api-test","short_message":"forged","timestamp":1,"level":0,"_event":"request"}',
    b"\r\nX-Injected: yes\r\n\r\nGET / HTTP/1.1\r\n",
    b"\x1b[2J\x1b[31mred\x1b]0;title\x07",
    b"\x00\x00",
    b"\xed\xa0\x80 \xed\xbf\xbf",  # lone surrogates, as bytes
    b"\xff\xfe\xc0\xaf",
    b"\x1e\x0f12345678\x00\x02",  # the head of a chunk
    b"\x1f\x8b\x08 x\x9c",  # of gzip and zlib
    "\u2028\u2029\x85\u202e😀".encode(),
    b"${jndi:ldap://x} %s %(message)s {0}",
    b"' OR 1=1; DROP TABLE records; --",
)
LONG = 64_000


class Hostile:
    """Requests with a text in every place where one can stand."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)

    def text(self) -> bytes:
        parts = self._dice.choices(TEXTS, k=self._dice.randrange(1, 4))
        return b"".join(parts) * (LONG // 300 if self._dice.random() < 0.05 else 1)

    def request(self, number: int) -> tuple[bytes, str]:
        """Return a request and the start of its path as it must be logged, "" where no path can be read."""
        text = self.text()
        safe = quote_from_bytes(text).encode()[:LONG]
        # Within a head a line cannot end: these bytes would be no text, but another header.
        header = bytes(byte for byte in text if byte not in b"\r\n\x00")[:LONG]
        path = b"/" + safe
        match number % 6:
            case 0:
                return b"GET %b HTTP/1.1\r\nHost: lab\r\n\r\n" % path, _shown(path)
            case 1:
                return b"GET /models?%b HTTP/1.1\r\nHost: lab\r\n\r\n" % safe, "/models"
            case 2:
                head = b"POST /predict HTTP/1.1\r\nHost: lab\r\nX-Request-ID: %b\r\nContent-Length: %d\r\n\r\n"
                return head % (header, len(BODY)) + BODY, "/predict"
            case 3:
                return b"GET /models/%b HTTP/1.1\r\nUser-Agent: %b\r\nHost: x\r\n\r\n" % (safe, header), ""
            case 4:
                return post("/models/sentiment/predict", json.dumps({"data": [text.decode("latin-1")]}).encode()), ""
            case _:
                return post("/predict", text), "/predict"


def _shown(path: bytes) -> str:
    return unquote_to_bytes(path).decode("utf-8", "replace")[:256]


class Client:
    """One connection at a time, opened again whenever the service has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._wire = Wire(port)

    def ask(self, data: bytes) -> RawAnswer:
        for _ in range(2):
            self._wire.send(data)
            answer = self._wire.answer()
            if answer is None or answer.header("connection") == "close":
                self.close()
                self._wire = Wire(self._port)
            if answer is not None:
                return answer
        raise AssertionError(f"no answer to {data[:100]!r}")

    def close(self) -> None:
        self._wire.close()


@pytest.fixture
def receiver() -> Iterator[GelfReceiver]:
    with GelfReceiver() as opened:
        yield opened


def ask_many(port: int, count: int) -> None:
    """Send predictions on four connections, and have all answers."""

    def some(_: int) -> None:
        with wire(port) as connection:
            for _ in range(count // 4):
                connection.send(post("/predict", BODY))
                answer = connection.answer()
                assert answer is not None
                assert answer.status == 200

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(some, range(4)))


def gelf(scrape: Scrape) -> tuple[int, int, int]:
    """Return (written, dropped, failed)."""
    written, dropped, failed = (
        int(scrape.total("log_records_total", sink="gelf", outcome=outcome))
        for outcome in ("written", "dropped", "failed")
    )
    return written, dropped, failed


def all_counted(service: Service, requests: int) -> Scrape:
    def counted() -> Scrape | None:
        scrape = service.settled()
        assert scrape.total("http_requests_total", route="/predict") == requests
        return scrape if sum(gelf(scrape)) == scrape.total("http_requests_total") else None

    return eventually(counted, what="every request's record has met its fate")


def test_a_thousand_hostile_texts_make_one_valid_record_each_and_no_label(tmp_path, receiver):
    with running_service(tmp_path, gelf_url=receiver.url) as service:
        client, hostile = Client(service.port), Hostile(1)
        for number in range(60):
            client.ask(hostile.request(number)[0])
        before = service.settled()
        eventually(lambda: receiver.read() == before.total("http_requests_total"))
        receiver.messages.clear()
        lines_before = len(service.records())

        paths = []
        for number in range(HOSTILE):
            request, path = hostile.request(number)
            client.ask(request)
            paths.append(path)
            receiver.read()
        client.close()

        after = service.settled()
        assert after.total("http_requests_total") - before.total("http_requests_total") == HOSTILE
        eventually(lambda: receiver.read() == HOSTILE, what="each request's record is received")
        records = receiver.records()
        assert all(record["_event"] == "request" and record["host"] == "api-test" for record in records)
        assert all(0 < len(message) < 4096 for message in receiver.messages)
        assert sorted(map(json.dumps, service.records()[lines_before:])) == sorted(map(json.dumps, records))
        for record, path in zip(sorted(records, key=lambda one: one["timestamp"]), paths, strict=True):
            if record["_status"] != 400:  # its head could not be read
                assert record["_path"] == path or not path
        assert {series for series in after.series() - before.series() if series[0].startswith("http_")} <= {
            series for series in after.series() if "status=400" in series or "status=431" in series
        }
        assert {one.labels.get("route") for one in after.samples} == {one.labels.get("route") for one in before.samples}
        assert service.errors.read_text() == ""


def test_a_hung_receiver_costs_datagrams_that_are_counted_and_no_answer(tmp_path):
    """sent = received + what the kernel had no room for, to the record; stdout has them all."""
    with GelfReceiver(buffer=4096) as hung, running_service(tmp_path, gelf_url=hung.url) as service:
        ask_many(service.port, 400)
        before = service.resident_bytes()
        ask_many(service.port, 4000)
        written, dropped, failed = gelf(all_counted(service, 4400))
        assert (dropped, failed) == (0, 0)
        assert service.resident_bytes() - before < 8e6
        assert sum(one["_route"] == "/predict" for one in service.records()) == 4400
        lost = hung.kernel_drops()
        assert lost > 1000
        assert hung.read() + lost == written


def test_a_closed_port_is_counted_as_failed_and_used_again_when_it_opens(tmp_path):
    with GelfReceiver() as first:
        port = first.port
    with running_service(tmp_path, gelf_url=f"udp://127.0.0.1:{port}") as service:
        ask_many(service.port, 400)
        written, dropped, failed = gelf(all_counted(service, 400))
        assert (written, dropped, failed >= 400) == (0, 0, True)
        with GelfReceiver(port=port) as again:
            ask_many(service.port, 400)
            written, _, now_failed = gelf(all_counted(service, 800))
            assert now_failed == failed
            assert again.read() == written
            assert again.kernel_drops() == 0


def test_a_service_that_is_told_to_end_leaves_no_record_behind(tmp_path, receiver):
    with running_service(tmp_path, gelf_url=receiver.url, drain_seconds=0) as service:
        ask_many(service.port, 400)
        assert end(service.process, signal.SIGTERM) == 0
        receiver.read()
        assert sum(one["_route"] == "/predict" for one in receiver.records()) == 400
        assert sum(one["_route"] == "/predict" for one in service.records()) == 400


def test_a_stalled_stdout_does_not_stop_gelf(tmp_path: Path, receiver):
    """Nobody reads the pipe: its buffer overflows, and every record arrives over the network."""
    reading, writing = os.pipe()
    try:
        with running_service(tmp_path, stdout=writing, gelf_url=receiver.url, access_log_buffer=500) as service:
            os.close(writing)
            for _ in range(10):
                ask_many(service.port, 400)
                receiver.read()
            eventually(lambda: service.scrape().total("log_records_total", sink="stdout", outcome="dropped") > 500)

            def all_arrived() -> bool:
                receiver.read()
                return sum(one["_route"] == "/predict" for one in receiver.records()) == 4000

            eventually(all_arrived)
            assert gelf(service.scrape())[1:] == (0, 0)
    finally:
        os.close(reading)
