"""A small deployment in one process, each of whose promises can be broken: edge, replicas, Prometheus, engine, logs.

It speaks HTTP and Prometheus's API on a real port; what it promises it does by itself, and `wrongs` are what it does
instead. Only for controls: whether a check that passes on the real thing would fail without what it checks.
"""

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import uvicorn

from app.adapters.log_segments import LogSegments
from app.core.log_records import Maker
from labkit.engines.engine import Replica
from labkit.errors import CannotRun
from labkit.urls import Urls
from tests.fake_prometheus import FakePrometheus, Process

KEY = "a-key"
LONGEST = 10.0
FACTS = ("name", "version", "kind", "input_shape", "labels", "sha256", "accuracy", "inputs", "outputs", "ready")


class FakeDeployment:
    """The deployment and, for the checks, its engine."""

    name = "process"

    def __init__(self, folder: Path, *wrongs: str, replicas: int = 2) -> None:
        self.wrongs = set(wrongs)
        self.folder = folder
        self.numbers, self.turns = count(1), count()
        self.processes = [self._process("1") for _ in range(replicas)]
        self.releases = ["1"]
        self.weight, self.asked, self.changing = 0, count(), False
        self.jobs: dict[str, int] = {}
        self.done: list[str] = []
        self.dropped = threading.Event()
        self.prometheus = FakePrometheus(lambda: self.processes)
        self.writer = LogSegments(folder, 1 << 20)
        self.maker = Maker(time.time_ns() // 1000, time.time)
        self.address = ""

    # --- the engine

    def urls(self) -> Urls:
        logs = None if "no-store" in self.wrongs else f"sqlite://{self.folder}"
        return Urls(service=self.address, engine=self.name, prometheus=self.address, logs=logs)

    def replicas(self) -> tuple[Replica, ...]:
        return tuple(Replica(one.name, one.release, not one.dead) for one in self.processes if not one.canary)

    def kill(self, replica: str) -> None:
        self.done.append(f"kill {replica}")
        if "kill-does-nothing" not in self.wrongs:
            next(one for one in self.processes if one.name == replica).dead = True
        if "no-retry" in self.wrongs:
            self.dropped.wait(LONGEST)  # a busy machine sends little in a short load

    def scale(self, count: int) -> None:
        self.done.append(f"scale {count}")
        wanted = min(count, 2) if "scale-stops-at-two" in self.wrongs else count
        living = [one for one in self.processes if not one.dead]
        self.processes = [*living, *(self._process(self.releases[-1]) for _ in range(wanted))][:wanted]

    def update(self, release: str) -> None:
        self.done.append(f"update {release}")
        if "update-breaks-down" in self.wrongs and release != "1":
            self.processes[0] = self._process(release)
            raise CannotRun(f"release {release} does not become ready; next: lab logs api-1")
        self._replace(release)

    def rollback(self) -> None:
        self.done.append("rollback")
        self._replace(self.releases[-2])

    def canary(self, weight: int) -> None:
        self.done.append(f"canary {weight}")
        self.weight = 0 if "canary-never" in self.wrongs else weight
        if "canary-half" in self.wrongs and weight:
            self.weight = 50
        if "canary-stays" in self.wrongs and not weight:
            self.weight = 10

    def _replace(self, release: str) -> None:
        self.changing = "update-drops" in self.wrongs
        if self.changing:
            self.dropped.wait(LONGEST)
        kept = self.processes[-1:] if "update-leaves-one" in self.wrongs else []
        self.processes = [self._process(release) for _ in self.processes[len(kept) :]] + kept
        self.releases.append(release)
        self.changing = False

    def _process(self, release: str) -> Process:
        number = next(self.numbers)
        return Process(f"api-{number}", release, 1000.0 + number)

    # --- the edge

    def replica(self) -> Process | None:
        """Return whose turn it is; None when the edge has chosen one that is dead, and tries no other."""
        there = list(self.processes)
        if "one-gets-nothing" in self.wrongs:
            there = there[:-1]
        if "third-gets-nothing" in self.wrongs:
            there = there[:2]
        chosen = there[next(self.turns) % len(there)]
        if chosen.dead:
            living = [one for one in there if not one.dead]
            return living[0] if living and "no-retry" not in self.wrongs else None
        return chosen

    async def edge(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["path"].startswith("/api/v1/query"):
            asked = scope["query_string"] if scope["method"] == "GET" else body
            await _send(
                send, 200, {"status": "success", "data": self.prometheus.answer(parse_qs(asked.decode())["query"][0])}
            )
            return
        process = self.replica()
        if process is None or self.changing:
            self.dropped.set()
            await _send(send, 502, {}, {"content-type": "text/plain"})
            return
        status, answer, kind = self.service(process, scope["method"], scope["path"], headers, body)
        ident = headers.get("x-request-id", "")
        if "id-not-taken" in self.wrongs or not re.fullmatch(r"[A-Za-z0-9._-]{1,128}", ident):
            ident = f"{next(self.asked):032x}"
            if "traceparent" in headers and "x-request-id" not in headers:
                ident = headers["traceparent"].split("-")[1]
        self._log(process, ident, scope["method"], scope["path"], status)
        canary = self.weight and scope["path"].startswith("/models/forest") and next(self.asked) % 100 < self.weight
        told = {"content-type": kind, "x-request-id": ident, "server-timing": "app;dur=0.100"}
        told["x-model-version"] = ("v2" if canary else "v1") if "predict" in scope["path"] else "none"
        if "no-timing" in self.wrongs:
            del told["server-timing"]
        await _send(send, status, answer, told)

    # --- a replica

    def service(
        self, process: Process, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, Any, str]:
        status, answer, route = self._answer(process, method, path, headers, body)
        verb = "OTHER" if status == 405 else method
        twice = 2 if "counts-twice" in self.wrongs and route == "/models" else 1
        lost = "counts-no-refusals" in self.wrongs and status == 422
        process.count("http_requests_total", 0 if lost else twice, method=verb, route=route, status=str(status))
        if path == "/" and status == 200:
            return status, answer, "text/html; charset=utf-8"
        if status < 400:
            return status, answer, "application/json"
        problem = {"type": "urn:lab:problem:x", "title": "x", "status": status, "detail": "", "request_id": ""}
        return status, problem, "text/plain" if "plain-problems" in self.wrongs else "application/problem+json"

    def _answer(
        self, process: Process, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, Any, str]:
        if path.startswith(("/jobs", "/feedback")):
            return self._keyed(process, method, path, headers, body)
        public = {
            "/",
            "/healthz",
            "/readyz",
            "/models",
            "/v2",
            *(["/metrics"] if "metrics-in-public" in self.wrongs else []),
        }
        asks = path == "/predict" or path.endswith(("/predict", "/infer"))
        if not asks and path not in public and not path.startswith(("/models/", "/v2/")):
            return 404, {}, "other"
        if method != ("POST" if asks else "GET"):
            return 405, {}, "other"
        model = path.split("/")[-2] if asks and path != "/predict" else path.rpartition("/")[2]
        route = path.replace(f"/{model}/", "/{model}/") if asks else path
        if model == "oak":
            return 404, {}, route
        if asks:
            return self._predicted(process, route, path, body)
        return 200, dict.fromkeys((*FACTS, "status", "dependencies", "models", "live"), "iris"), route

    def _predicted(self, process: Process, route: str, path: str, body: bytes) -> tuple[int, Any, str]:
        if len(body) > 1 << 20:
            return 413, {}, route
        try:
            document = json.loads(body, parse_constant=lambda _: 1 / 0)
        except (ValueError, ZeroDivisionError):
            return 400, {}, route
        if path.endswith("/infer"):
            return (200 if "inputs" in document else 422), {"model_name": "iris", "outputs": []}, route
        rows = document.get("data") if isinstance(document, dict) else None
        if not rows or rows == [[1, 2]]:
            return 422, {}, route
        process.count("predictions_total", len(rows), model="iris", version="v1", outcome="computed")
        return 200, {"result": [0] * len(rows), "score": [0.9] * len(rows)}, route

    def _keyed(
        self, process: Process, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, Any, str]:
        if headers.get("x-api-key") != KEY and "no-lock" not in self.wrongs:
            return 401, {}, path
        if path == "/feedback":
            return 201, {"id": "x"}, path
        if method == "POST":
            ident = f"{next(self.asked):032x}"
            self.jobs[ident] = len(json.loads(body)["data"])
            process.count("jobs_submitted_total", model="iris")
            if "no-worker" not in self.wrongs:
                process.count(
                    "jobs_finished_total", 2 if "job-twice" in self.wrongs else 1, outcome="done", model="iris"
                )
            return 202, {"id": ident, "status": "queued"}, path
        ident = path.removeprefix("/jobs/")
        if ident not in self.jobs:
            return 404, {}, path
        if "no-worker" in self.wrongs:
            return 200, {"id": ident, "status": "queued"}, path
        return 200, {"status": "done", "result": [int("job-wrong" in self.wrongs)] * self.jobs[ident]}, path

    def _log(self, process: Process, ident: str, method: str, path: str, status: int) -> None:
        if not ident.startswith("check-") or "log-lost" in self.wrongs:
            return
        record = {"version": "1.1", "host": process.name, "short_message": path, "level": 6, "timestamp": time.time(),
                  "_event": "request", "_request_id": ident, "_method": method, "_path": path, "_model": "iris",
                  "_route": "/models/{model}/predict", "_status": status}  # fmt: skip
        if "log-wrong" in self.wrongs:
            record["_status"] = 500
        self.writer.write([self.maker.from_gelf(json.dumps(record).encode())])


@contextmanager
def fake_deployment(folder: Path, *wrongs: str, replicas: int = 2) -> Iterator[FakeDeployment]:
    """Serve one on a free loopback port for as long as the block lasts."""
    deployment = FakeDeployment(folder, *wrongs, replicas=replicas)
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    deployment.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        deployment.edge, interface="asgi3", lifespan="off", ws="none", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)

    async def serve() -> None:
        scraping = asyncio.create_task(deployment.prometheus.scrape())
        await server.serve([listener])
        scraping.cancel()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        yield deployment
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
        deployment.writer.close()


async def _send(send: Any, status: int, document: Any, headers: dict[str, str] | None = None) -> None:
    payload = json.dumps(document).encode()
    told = {"content-type": "application/json", **(headers or {}), "content-length": str(len(payload))}
    fields = [(name.encode(), value.encode()) for name, value in told.items()]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": payload})
