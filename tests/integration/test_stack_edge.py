"""The edge's configuration, held against the real Traefik with replicas that a test can misuse."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from labkit.stack import catalogue, logs, spawn
from labkit.stack.edge import FILE, FOLDER, write_replicas
from labkit.stack.entry import Site, rendered
from labkit.stack.obtain import SOURCES
from labkit.stack.obtain.program import Program
from labkit.stack.readiness import unready
from tests.eventually import eventually
from tests.integration.stack_folder import StackFolder

BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]


class Replica(ThreadingHTTPServer):
    """Answers, or hangs up after having read the request; counts what it got but for health checks."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.got: list[str] = []
        self.bodies: list[bytes] = []
        self.connections: list[socket.socket] = []
        self.hangs_up = False
        self.held = threading.Event()  # while it is clear, requests wait here
        self.held.set()
        self.status = 200
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
        self.server.held.wait(timeout=20)
        if self.server.hangs_up:
            self.close_connection = True
            return
        self._answer(self.server.status)

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
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
    """A running Traefik with our configuration (its dynamic files with `changes`) and two replicas."""

    def __init__(self, folder: StackFolder, changes: Mapping[str, str] | None = None) -> None:
        program = SOURCES["traefik"].find(folder.home)
        assert program is not None, "the locked dependencies hold Traefik"
        names = {"traefik": program, "python": Program("python", "python", "3", "test")}
        entries = (catalogue.api(1), catalogue.api(2), catalogue.TRAEFIK)
        self.site = Site(folder.home, folder.base, entries, names)
        self.run = folder.home.run
        for path in (self.run, folder.home.logs):
            path.mkdir(parents=True)
        self.site.write_files()
        self.tell(1, 2)
        left = dict(changes or {})
        for file in (self.run / FOLDER / "dynamic.yml", self.run / FILE):
            here = {old: left.pop(old) for old in list(left) if old in file.read_text()}
            file.write_text(rendered(file, here))
        assert not left, f"nothing to change: {left}"
        self.replicas = [Replica(self.site.port("api-1")), Replica(self.site.port("api-2"))]
        self.log = folder.home.logs / "traefik.log"
        self.access_log = folder.home.logs / "traefik-access.log"
        self.component = self.site.component(catalogue.TRAEFIK)
        env = spawn.environment(os.environ, self.component.environment, folder.temporary)
        self.process = spawn.start(self.component.command, env, self.log, folder.home.run)
        eventually(self.ready, within=20, what="Traefik is ready")

    def tell(self, *stable: int, canary: tuple[int, ...] = (), weight: int = 0) -> None:
        """Write the file of replicas, by their numbers."""
        write_replicas(self.run, [self.url(n) for n in stable], [self.url(n) for n in canary], weight)

    def url(self, number: int) -> str:
        return f"http://127.0.0.1:{self.site.port(f'api-{number}')}"

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


@pytest.mark.parametrize("path", ["/jobs", "/feedback", "/anything"])
def test_what_may_be_stored_is_never_sent_again_once_a_replica_has_it(edge: Edge, path: str) -> None:
    """The replica reads the request and hangs up: one attempt, 502. Also where predictions were just tried again."""
    for one in edge.replicas:
        one.hangs_up = True
    for count, body in enumerate([b"{}", b"", b"x" * 100_000], start=1):
        assert edge.ask("POST", path, body)[0] == 502
        assert sum(len(one.got) for one in edge.replicas) == count


PURE = [
    ("POST", "/predict"),
    ("POST", "/models/iris/predict"),
    ("POST", "/v2/models/iris/infer"),
    ("POST", "/v2/models/iris/versions/v1/infer"),
    ("GET", "/jobs/1"),
]
WITHOUT = {"breaker, broken-connection, next-replica": "next-replica"}


@pytest.mark.parametrize(("method", "path"), PURE)
def test_an_answer_that_may_be_given_twice_comes_from_the_other_replica(edge: Edge, method: str, path: str) -> None:
    """One replica reads each request and hangs up; the body is sent whole both times, the client has one answer."""
    edge.replicas[0].hangs_up = True
    bodies = [f"{{{number}}}".encode() for number in range(10)]
    answers = [edge.ask(method, path, body if method == "POST" else None) for body in bodies]
    assert [status for status, _ in answers] == [200] * 10
    assert len(edge.replicas[1].got) == 10
    assert 3 <= len(edge.replicas[0].got) <= 20
    if method == "POST":
        assert edge.replicas[1].bodies == bodies
        assert set(edge.replicas[0].bodies) <= set(bodies)


def test_without_that_protection_such_requests_fail(tmp_path: Path) -> None:
    """The control."""
    edge = Edge(StackFolder(tmp_path), WITHOUT)
    try:
        edge.replicas[0].hangs_up = True
        statuses = [edge.ask("POST", "/predict", b"{}")[0] for _ in range(20)]
    finally:
        edge.close()
    assert statuses.count(502) == statuses.count(200) == 10


def test_a_body_too_large_to_be_kept_is_sent_once(edge: Edge) -> None:
    for one in edge.replicas:
        one.hangs_up = True
    assert edge.ask("POST", "/predict", b"x" * 70_000)[0] == 502
    assert sum(len(one.got) for one in edge.replicas) == 1


def test_a_request_that_no_replica_survives_is_given_up_after_three(edge: Edge) -> None:
    for one in edge.replicas:
        one.hangs_up = True
    assert edge.ask("POST", "/predict", b"{}")[0] == 502
    assert sum(len(one.got) for one in edge.replicas) == 3


def in_hand(edge: Edge, path: str, pool: ThreadPoolExecutor) -> list[int]:
    """Send 20 requests, end the first replica while it has ten of them in hand; return the statuses."""
    edge.replicas[0].held.clear()
    answers = [pool.submit(edge.ask, "POST", path, f"{number}".encode()) for number in range(20)]
    eventually(lambda: len(edge.replicas[0].got) >= 8, what="requests in the first replica's hand")
    edge.replicas[0].close()
    return [answer.result()[0] for answer in answers]


@pytest.mark.parametrize("protected", [True, False], ids=["protected", "control"])
def test_a_replica_that_dies_with_requests_in_hand_costs_no_prediction(tmp_path: Path, protected: bool) -> None:
    edge = Edge(StackFolder(tmp_path), {} if protected else WITHOUT)
    try:
        with ThreadPoolExecutor(20) as pool:
            statuses = in_hand(edge, "/predict", pool)
    finally:
        edge.close()
    if protected:
        assert statuses == [200] * 20
        assert sorted(edge.replicas[1].bodies, key=int) == [f"{number}".encode() for number in range(20)]
    else:
        assert statuses.count(502) >= 8


def test_a_replica_that_dies_with_jobs_in_hand_has_none_of_them_sent_again(edge: Edge) -> None:
    with ThreadPoolExecutor(20) as pool:
        statuses = in_hand(edge, "/jobs", pool)
    bodies = edge.replicas[0].bodies + edge.replicas[1].bodies
    assert len(bodies) == len(set(bodies)) == 20
    assert statuses.count(502) == len(edge.replicas[0].bodies) >= 8


@pytest.mark.parametrize("retry", [True, False], ids=["retry", "control"])
def test_a_replica_that_is_gone_costs_no_request(tmp_path: Path, retry: bool) -> None:
    """Not even before a health check has seen it: a refused connection is tried elsewhere."""
    changes = {'"interval": "500ms"': '"interval": "1h"'}
    if not retry:
        changes["breaker, broken-connection, next-replica"] = "breaker"
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


@pytest.mark.parametrize(("amount", "refused"), [("2", 2), ("4096", 0)], ids=["two", "ours"])
def test_requests_of_one_address_have_a_limit_in_flight(tmp_path: Path, amount: str, refused: int) -> None:
    edge = Edge(StackFolder(tmp_path), {"amount: 4096": f"amount: {amount}"})
    try:
        for one in edge.replicas:
            one.held.clear()
        with ThreadPoolExecutor(4) as pool:
            answers = [pool.submit(edge.ask, "POST", "/predict", b"{}") for _ in range(4)]
            there = 4 - refused
            eventually(lambda: sum(len(one.got) for one in edge.replicas) == there, what=f"{there} requests in flight")
            eventually(lambda: sum(answer.done() for answer in answers) == refused, what="the others are refused")
            for one in edge.replicas:
                one.held.set()
            assert sorted(answer.result()[0] for answer in answers) == [200] * there + [429] * refused
    finally:
        edge.close()


def test_jobs_have_a_rate_limit_and_predictions_have_none(tmp_path: Path) -> None:
    edge = Edge(StackFolder(tmp_path), {"average: 2000": "average: 1", "burst: 4000": "burst: 3"})
    try:
        assert [edge.ask("POST", "/predict", b"{}")[0] for _ in range(10)] == [200] * 10
        statuses = [edge.ask("POST", "/jobs", b"{}")[0] for _ in range(10)]
    finally:
        edge.close()
    assert 3 <= statuses.count(200) <= 6
    assert statuses.count(429) >= 4


def test_the_breaker_opens_when_replicas_hang_up_and_closes_when_they_are_well(edge: Edge) -> None:
    def asked() -> int:
        return sum(len(one.got) for one in edge.replicas)

    def refused_at_the_edge() -> bool:
        before = asked()
        return edge.ask("POST", "/predict", b"{}")[0] == 503 and asked() == before

    for one in edge.replicas:
        one.hangs_up = True
    eventually(refused_at_the_edge, within=15, what="the breaker opens")
    assert edge.ask("POST", "/jobs", b"{}")[0] == 502, "what is stored is never refused for others' sake"
    for one in edge.replicas:
        one.hangs_up = False

    def well() -> bool:
        return all(edge.ask("POST", "/predict", b"{}")[0] == 200 for _ in range(20))

    eventually(well, within=30, what="the breaker closes")


def test_the_breaker_stays_closed_while_replicas_shed(edge: Edge) -> None:
    """Under overload most answers may be 503: a replica's own word, with Retry-After, and no reason to ask it less."""
    for one in edge.replicas:
        one.status = 503
    begun, sent = time.monotonic(), 0
    while time.monotonic() - begun < 3:  # the breaker looks every second
        assert edge.ask("POST", "/predict", b"{}")[0] == 503
        sent += 1
    assert sum(len(one.got) for one in edge.replicas) == sent > 20


def test_the_canary_gets_its_share_and_nothing_when_it_is_gone(edge: Edge) -> None:
    edge.tell(1, canary=(2,), weight=20)

    def split() -> tuple[int, int]:
        before = [len(one.got) for one in edge.replicas]
        assert [edge.ask("GET", "/x")[0] for _ in range(100)] == [200] * 100
        stable, canary = (len(one.got) - had for one, had in zip(edge.replicas, before, strict=True))
        return stable, canary

    eventually(lambda: split() == (80, 20), within=10, what="one in five to the canary")
    edge.replicas[1].close()
    eventually(lambda: split() == (100, 0), within=10, what="all to the stable replica")


def test_replicas_come_and_go_while_requests_arrive_and_none_is_lost(edge: Edge) -> None:
    stop = threading.Event()
    statuses: list[int] = []

    def ask() -> None:
        while not stop.is_set():
            statuses.append(edge.ask("POST", "/jobs", b"{}")[0])

    def arrives(at: int, more: bool) -> bool:
        before = [len(one.got) for one in edge.replicas]
        eventually(lambda: len(edge.replicas[1 - at].got) > before[1 - at] + 20, what="requests go on")
        return (len(edge.replicas[at].got) > before[at]) is more

    with ThreadPoolExecutor(4) as pool:
        try:
            asking = [pool.submit(ask) for _ in range(4)]
            for _ in range(3):
                edge.tell(1)
                eventually(lambda: arrives(1, more=False), within=10, what="the second replica is left alone")
                edge.tell(1, 2)
                eventually(lambda: arrives(1, more=True), within=10, what="it gets requests again")
        finally:
            stop.set()
        for one in asking:
            one.result()
    assert set(statuses) == {200}
    assert len(statuses) > 100
