"""The edge's configuration, held against the real Traefik with replicas that a test can misuse."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from labkit.stack import catalogue, logs, spawn
from labkit.stack.entry import Site, rendered
from labkit.stack.obtain import SOURCES
from labkit.stack.obtain.program import Program
from labkit.stack.readiness import unready
from tests.eventually import eventually
from tests.integration.stack_folder import ROOT, StackFolder

BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]


class Replica(ThreadingHTTPServer):
    """Answers, or hangs up after having read the request; counts what it got but for health checks."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.got: list[str] = []
        self.connections: list[socket.socket] = []
        self.hangs_up = False
        self.ready = True
        self.gives = ""  # the request id for those who send none
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.append(request)
        super().process_request(request, client_address)

    def close(self) -> None:
        """End as a killed process does: its open connections are gone as well."""
        self.shutdown()
        self.server_close()
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.thread.join(timeout=5)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Replica

    def do_GET(self) -> None:
        if self.path == "/readyz":
            self._answer(200 if self.server.ready else 503)
            return
        self.server.got.append(self.path)
        if self.server.hangs_up:
            self.close_connection = True
            return
        self._answer(200)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def _answer(self, status: int) -> None:
        body = (self.headers.get("X-Request-ID") or self.server.gives).encode()
        self.send_response(status)
        self.send_header("X-Request-ID", body.decode())
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the library's name)
        """Write nothing."""


class Edge:
    """A running Traefik with our configuration (its dynamic file with `changes`) and two replicas."""

    def __init__(self, folder: StackFolder, changes: Mapping[str, str] | None = None) -> None:
        program = SOURCES["traefik"].find(folder.home)
        assert program is not None, "the locked dependencies hold Traefik"
        names = {"traefik": program, "python": Program("python", "python", "3", "test")}
        entries = (catalogue.api(1), catalogue.api(2), catalogue.TRAEFIK)
        self.site = Site(folder.home, folder.base, entries, names)
        for path in (folder.home.run, folder.home.logs):
            path.mkdir(parents=True)
        self.site.write_files()
        dynamic = folder.home.run / "dynamic.yml"
        dynamic.write_text(rendered(ROOT / "traefik" / "dynamic.yml", changes or {}))
        static = folder.home.run / "traefik" / "traefik.yml"
        static.write_text(rendered(static, {str(ROOT / "traefik" / "dynamic.yml"): str(dynamic)}))
        self.replicas = [Replica(self.site.port("api-1")), Replica(self.site.port("api-2"))]
        self.log = folder.home.logs / "traefik.log"
        self.access_log = folder.home.logs / "traefik-access.log"
        self.component = self.site.component(catalogue.TRAEFIK)
        env = spawn.environment(os.environ, self.component.environment, folder.temporary)
        self.process = spawn.start(self.component.command, env, self.log, folder.home.run)
        eventually(self.ready, within=20, what="Traefik is ready")

    def ready(self) -> bool:
        return all(unready(address) is None for address in self.component.probes)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str | None]:
        connection = HTTPConnection("127.0.0.1", self.site.port("edge"), timeout=10)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            reply = connection.getresponse()
            reply.read()
            return reply.status, reply.getheader("X-Request-ID")
        finally:
            connection.close()

    def logged(self, path: str, file: Path | None = None) -> list[dict[str, Any]]:
        """Return the lines of the access log whose path begins so."""
        lines = [json.loads(text) for text in (file or self.access_log).read_text().splitlines()]
        return [line for line in lines if line["RequestPath"].startswith(path)]

    def metrics(self, path: str = "/metrics") -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", self.site.port("edge-metrics"), timeout=10)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        finally:
            connection.close()

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for one in self.replicas:
            one.close()


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    edge = Edge(StackFolder(tmp_path))
    yield edge
    edge.close()


def test_both_replicas_get_requests_and_the_request_id_passes_through(edge: Edge) -> None:
    for number in range(10):
        assert edge.ask("GET", f"/{number}", X_Request_ID=f"id-{number}") == (200, f"id-{number}")
    assert {len(one.got) for one in edge.replicas} == {5}


def test_a_request_that_a_replica_may_have_counted_is_never_sent_again(edge: Edge) -> None:
    """The replica reads the request and hangs up: one attempt, 502."""
    for one in edge.replicas:
        one.hangs_up = True
    for count, (method, body) in enumerate([("POST", b"{}"), ("POST", b""), ("GET", None)], start=1):
        assert edge.ask(method, "/predict", body)[0] == 502
        assert sum(len(one.got) for one in edge.replicas) == count


@pytest.mark.parametrize("retry", [True, False], ids=["retry", "control"])
def test_a_replica_that_is_gone_costs_no_request(tmp_path: Path, retry: bool) -> None:
    """Not even before a health check has seen it: a refused connection is tried elsewhere."""
    changes = {"interval: 500ms": "interval: 1h"}
    if not retry:
        changes["middlewares: [next-replica]"] = "middlewares: []"
    edge = Edge(StackFolder(tmp_path), changes)
    try:
        edge.replicas[0].close()
        statuses = [edge.ask("POST", "/predict", b"{}")[0] for _ in range(20)]
    finally:
        edge.close()
    assert statuses.count(200) == (20 if retry else 10)


def test_a_replica_that_is_not_ready_gets_nothing_until_it_is(edge: Edge) -> None:
    out = edge.replicas[0]

    def only_other() -> bool:
        before = len(out.got)
        return all(edge.ask("GET", "/x")[0] == 200 for _ in range(4)) and len(out.got) == before

    out.ready = False
    eventually(only_other, what="the replica is taken out")
    out.ready = True
    eventually(lambda: not only_other(), what="the replica is taken in again")


def test_the_edge_measures_with_the_common_buckets_and_shows_nothing_else(edge: Edge) -> None:
    edge.ask("GET", "/x")
    _, text = edge.metrics()
    pattern = r'traefik_entrypoint_request_duration_seconds_bucket\{[^}]*entrypoint="web"[^}]*le="([^"]+)"'
    found = sorted({float(bound) for bound in re.findall(pattern, text)})
    assert found[:-1] == BUCKETS
    assert "traefik_service_requests_total" in text
    for path in ("/api/rawdata", "/dashboard/", "/debug/pprof/"):
        assert edge.metrics(path)[0] == 404


def test_metrics_are_not_on_the_public_entry_point(edge: Edge) -> None:
    edge.ask("GET", "/metrics")
    assert sum("/metrics" in one.got for one in edge.replicas) == 1, "the path is the service's, as any other"


def test_each_request_is_one_json_line_with_its_id(edge: Edge) -> None:
    edge.ask("GET", "/some/path", X_Request_ID="find-me")
    line = eventually(lambda: edge.logged("/some/path"), within=2, what="the line is written while the edge runs")[0]
    assert line["request_X-Request-Id"] == line["downstream_X-Request-Id"] == "find-me"
    assert line["DownstreamStatus"] == 200
    assert line["ServiceURL"] in {f"http://127.0.0.1:{edge.site.port(f'api-{number}')}" for number in (1, 2)}
    assert line["Duration"] >= line["OriginDuration"] > 0
    assert {"RequestMethod", "RetryAttempts", "StartUTC"} <= line.keys()
    assert "find-me" not in edge.log.read_text()


def test_an_id_that_the_replica_gave_is_in_the_line_of_a_request_without_one(edge: Edge) -> None:
    edge.replicas[0].gives = edge.replicas[1].gives = "given-by-replica"
    edge.ask("GET", "/without")
    line = eventually(lambda: edge.logged("/without"), what="the line")[0]
    assert "request_X-Request-Id" not in line
    assert line["downstream_X-Request-Id"] == "given-by-replica"


def test_the_access_log_is_moved_away_under_load_without_losing_a_line(edge: Edge) -> None:
    def ask(number: int) -> None:
        assert edge.ask("GET", f"/n/{number}")[0] == 200

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(ask, number) for number in range(400)]
        parts: list[dict[str, Any]] = []
        for turned in range(1, 4):
            eventually(lambda: edge.logged("/n/"), what="lines in the present file")
            assert logs.turn(edge.access_log, limit=0)
            edge.process.send_signal(signal.SIGUSR1)
            eventually(edge.access_log.is_file, what="it is opened again")
            edge.access_log.with_name(edge.access_log.name + ".1").rename(edge.access_log.with_name(f"old-{turned}"))
        for answer in answers:
            answer.result()

    def numbers() -> list[int]:
        files = [edge.access_log, *edge.access_log.parent.glob("old-*")]
        parts[:] = [line for file in files for line in edge.logged("/n/", file)]
        return sorted(int(line["RequestPath"].rpartition("/")[2]) for line in parts)

    eventually(lambda: numbers() == list(range(400)), what="each request is in exactly one of the files")


def test_a_client_that_never_ends_its_headers_is_cut_off(edge: Edge) -> None:
    with socket.create_connection(("127.0.0.1", edge.site.port("edge")), timeout=30) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: lab\r\nX-Slow: ")
        assert b"200" not in slow.recv(1024), "closed, or refused with a status of its own"


def test_headers_have_a_limit(edge: Edge) -> None:
    status, _ = edge.ask("GET", "/x", X_Large="x" * 100_000)
    assert status == 431
    assert sum(len(one.got) for one in edge.replicas) == 0
