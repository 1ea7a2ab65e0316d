"""Real collector processes for tests, and what senders do: UDP in all its forms, TCP."""

import contextlib
import gzip
import http.client
import json
import os
import resource
import signal
import socket
import sqlite3
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from app.core.log_records import LogRecord
from tests.eventually import eventually
from tests.service import Scrape, end, environment, free_ports, start_bound


def message(number: int = 0, **more: Any) -> dict[str, Any]:
    """Return an access record as the api sends it; its request id ends with `number`."""
    return {
        "version": "1.1",
        "host": "api-1",
        "short_message": "POST /predict 200",
        "timestamp": 1_795_280_055.25 + number,
        "level": 6,
        "_event": "request",
        "_request_id": f"request-{number}",
        "_method": "POST",
        "_route": "/predict",
        "_path": "/predict",
        "_status": 200,
        "_duration_us": 431,
        "_model": "iris",
        "_model_version": "v1",
        **more,
    }


def encoded(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields).encode()


def chunks(data: bytes, size: int, ident: bytes = b"ident-01") -> list[bytes]:
    """Return the datagrams of a chunked message."""
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    return [b"\x1e\x0f" + ident + bytes([number, len(parts)]) + part for number, part in enumerate(parts)]


def every_packing(data: bytes) -> list[bytes]:
    """Return a message as each kind of sender packs it, in one datagram."""
    return [data, data + b"   \n", zlib.compress(data), gzip.compress(data)]


class Collector:
    """One collector process; `folder` is where its SQLite files are, unless it writes to Elasticsearch."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.gelf, self.port = free_ports(2)
        self.folder = folder / "logs"
        self.output = folder / f"collector-{self.port}.log"
        given: dict[str, object] = {"gelf_port": self.gelf, "metrics_port": self.port, "replica": "collector"}
        if "elasticsearch_url" not in settings:
            given["logs_dir"] = self.folder
        with self.output.open("wb") as out:
            self.process = start_bound(
                [sys.executable, "-m", "app.collector"], env=environment(**given | settings), stdout=out, stderr=out
            )

    def get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()

    def wait_ready(self) -> None:
        def ready() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"it ended with {self.process.returncode}: {self.output.read_text()[-2000:]}")
            return self.get("/readyz")[0] == 200

        eventually(ready, within=60, what="the collector is ready")

    def scrape(self) -> Scrape:
        status, body = self.get("/metrics")
        assert status == 200
        return Scrape(body.decode())

    def counts(self) -> dict[str, int]:
        """Return what it counts, without the labels that have one value here."""
        scrape = self.scrape()
        named = {
            "received": scrape.total("gelf_received_total"),
            "refused": scrape.total("gelf_rejected_total"),
            "lost": scrape.total("gelf_socket_drops_total"),
            "waiting": scrape.total("collector_queue_records"),
            "retries": scrape.total("log_store_retries_total"),
            **{one: scrape.total("log_documents_total", outcome=one) for one in ("stored", "dropped", "rejected")},
        }
        return {name: int(value) for name, value in named.items()}

    def settled(self, arrived: int, within: float = 30.0) -> dict[str, int]:
        """Return the counts once so many messages have arrived (records, or none) and nothing waits."""

        def done() -> dict[str, int] | None:
            counts = self.counts()
            return counts if counts["received"] + counts["refused"] >= arrived and not counts["waiting"] else None

        return eventually(done, within=within, what=f"{arrived} messages have met their fate")

    def send_udp(self, datagrams: Sequence[bytes]) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for datagram in datagrams:
                sock.sendto(datagram, ("127.0.0.1", self.gelf))

    def send_tcp(self, data: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self.gelf), timeout=30) as sock:
            sock.sendall(data)

    def records(self) -> list[LogRecord]:
        """Return all records of its SQLite files, oldest first."""
        found: list[LogRecord] = []
        for path in sorted(self.folder.glob("*.db")):
            with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
                found += [LogRecord(*row) for row in connection.execute("SELECT * FROM records ORDER BY id")]
        return found

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def largest_file(self, size: int) -> None:
        """Make the kernel refuse files beyond this size (-1: none): what a full disk is to a writer."""
        _, hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size, hard))

    def stop(self) -> int:
        """Ask it to end; return its exit code."""
        return end(self.process)


@contextlib.contextmanager
def running_collector(folder: Path, **settings: object) -> Iterator[Collector]:
    """Start a collector, wait until it is ready, end it."""
    collector = Collector(folder, **settings)
    try:
        collector.wait_ready()
        yield collector
    finally:
        if collector.process.poll() is None:
            collector.send(signal.SIGCONT)
            collector.stop()
