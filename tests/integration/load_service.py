"""A stand-in for the prediction service, for tests of the load generator: its contract, counted, with faults on demand.

`python -m tests.integration.load_service FOLDER [FAULT=VALUE ...]` writes its port to FOLDER/port. Faults:
`freeze_at=N` stops answering for `freeze_for` seconds at the N-th request; `lie=count|label|id|score|status` answers
wrongly; `hang_at=N` never answers the N-th request. Jobs are done on the second question after them; `lose=N` never
answers the N-th job, `refuse=N` refuses it, `drop=N` accepts it without telling; `KEY` is the only API key.
"""

import asyncio
import os
import re
import socket
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

WIDTHS = {"iris": 4, "diabetes": 10, "digits": 64, "forest": 13}
NAMES = (*WIDTHS, "sentiment")
KEY = "key-of-the-stand-in"
ROUTES = (
    (re.compile(r"/jobs/[^/]+"), "/jobs/{id}"),
    (re.compile(r"/models/[^/]+/predict"), "/models/{model}/predict"),
    (re.compile(r"/models/[^/]+"), "/models/{model}"),
    (re.compile(r"/v2/models/[^/]+/infer"), "/v2/models/{model}/infer"),
    (re.compile(r"/v2/models/[^/]+/ready"), "/v2/models/{model}/ready"),
    (re.compile(r"/v2/models/[^/]+"), "/v2/models/{model}"),
)


def route_of(path: str) -> str:
    return next((route for pattern, route in ROUTES if pattern.fullmatch(path)), path)


class Service:
    def __init__(self, faults: dict[str, str]) -> None:
        self.faults = faults
        self.started = time.time()
        self.requests = 0
        self.in_flight = 0
        self.counts: dict[tuple[str, str, int], int] = {}
        self.handed_in = 0
        self.jobs: dict[str, dict[str, Any]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        path = scope["path"]
        if path == "/metrics":
            await reply(send, 200, self.metrics().encode(), "text/plain; version=0.0.4")
            return
        self.requests += 1
        self.in_flight += 1
        if self.requests == int(self.faults.get("freeze_at", 0)):
            time.sleep(float(self.faults.get("freeze_for", 2)))  # noqa: ASYNC251  (the whole process freezes: the fault)
        if self.requests == int(self.faults.get("hang_at", 0)):
            self.in_flight -= 1  # nobody waits for it at the end
            await asyncio.sleep(3600)
        headers = dict(scope["headers"])
        if path.startswith(("/jobs", "/feedback")):
            status, told = self.keyed(scope["method"], path, body, headers)
            document, kind = (
                msgspec.json.encode(told),
                "application/json" if status < 300 else "application/problem+json",
            )
        else:
            status, document, kind = self.answer(scope["method"], path, body)
        request_id = headers.get(b"x-request-id", b"none")
        if self.faults.get("lie") == "id":
            request_id = b"another"
        key = (scope["method"], route_of(path), status)
        self.counts[key] = self.counts.get(key, 0) + 1
        self.in_flight -= 1
        more = [(b"x-request-id", request_id), (b"x-model-version", b"v1")]
        if status == 202 and self.handed_in == int(self.faults.get("drop", 0)):
            send.__self__.transport.abort()  # accepted, and the client never hears of it
            return
        if status == 202:
            more.append((b"location", f"/jobs/{told['id']}".encode()))
        if status == 503:
            more.append((b"retry-after", b"1"))
        await reply(send, status, document, kind, *more)

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes, str]:
        if self.faults.get("lie") == "status":
            return 500, b"oh", "text/plain"
        if path == "/":
            return 200, b"<html><body>models</body></html>", "text/html; charset=utf-8"
        status, document = self.document(method, path, body)
        kind = "application/json" if status == 200 else "application/problem+json"
        return status, msgspec.json.encode(document), kind

    def keyed(self, method: str, path: str, body: bytes, headers: dict[bytes, bytes]) -> tuple[int, Any]:
        if headers.get(b"x-api-key") != KEY.encode():
            return 401, {"type": "/problems/wrong-key", "status": 401}
        if path == "/feedback":
            return 201, {"id": f"{self.requests:032x}", "status": "stored"}
        if method == "GET":
            job = self.jobs.get(path.removeprefix("/jobs/"))
            if job is None:
                return 404, {"type": "/problems/unknown-job", "status": 404}
            job["asked"] += 1
            done = job["asked"] > 1 and job["number"] != int(self.faults.get("lose", 0))
            return 200, {"id": job["id"], "status": "done", **job["answer"]} if done else {
                "id": job["id"],
                "status": "queued",
            }
        self.handed_in += 1
        if self.handed_in == int(self.faults.get("refuse", 0)):
            return 503, {"type": "/problems/queue-away", "status": 503}
        ident = headers.get(b"idempotency-key", b"job-%d" % self.handed_in).decode()
        if ident not in self.jobs:
            wanted = msgspec.json.decode(body)
            answer = self.results(wanted["model"], wanted["data"])
            self.jobs[ident] = {"id": ident, "number": self.handed_in, "asked": 0, "answer": answer}
        return 202, {"id": ident, "status": "queued"}

    def document(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        parts = path.strip("/").split("/")
        if method == "GET":
            return 200, self.facts(parts)
        try:
            request = msgspec.json.decode(body)
        except msgspec.DecodeError:
            return 400, {"type": "/problems/not-json", "status": 400}
        if parts[-1] == "infer":
            name, tensor = parts[2], request["inputs"][0]
            rows = [[0.0] * WIDTHS.get(name, 1)] * tensor["shape"][0]
            outputs = [{"name": key, "shape": [len(v)], "data": v} for key, v in self.results(name, rows).items()]
            return 200, {"model_name": name, "id": request.get("id"), "outputs": outputs}
        name = parts[1] if len(parts) == 3 else "iris"
        rows = request.get("data") if isinstance(request, dict) else None
        if not rows or (name in WIDTHS and any(not numbers(row, WIDTHS[name]) for row in rows)):
            return 422, {"type": "/problems/wrong-shape", "status": 422}
        return 200, self.results(name, rows)

    def results(self, name: str, rows: list[Any]) -> dict[str, list[Any]]:
        lie = self.faults.get("lie")
        count = len(rows) + (1 if lie == "count" else 0)
        if name == "sentiment":
            return {"result": ["Neutral"] * count, "score": [0.9 if lie == "score" else 0.5] * count}
        label: Any = 99 if lie == "label" else 1
        return {"result": [0.5 if name == "diabetes" else label] * count}

    def facts(self, parts: list[str]) -> Any:
        if parts[0] == "models":
            if len(parts) == 1:
                return {"models": [{"name": name} for name in NAMES]}
            return {"name": parts[1], "version": "v1", "sha256": "0" * 64}
        if parts[-1] in ("live", "ready"):
            return {parts[-1]: True}
        if len(parts) == 1:
            return {"name": "stand-in", "version": "1", "extensions": []}
        kind = "BYTES" if parts[2] == "sentiment" else "FP64"
        return {"name": parts[2], "versions": ["v1"], "inputs": [{"name": "input", "datatype": kind}], "outputs": []}

    def metrics(self) -> str:
        lines = ["# TYPE http_requests_total counter"]
        for (method, route, status), count in self.counts.items():
            labels = f'method="{method}",route="{route}",status="{status}"'
            lines.append(f"http_requests_total{{{labels}}} {count}")
        lines += ["# TYPE jobs_submitted_total counter", f'jobs_submitted_total{{model="all"}} {len(self.jobs)}']
        lines += ["# TYPE http_requests_in_flight gauge", f"http_requests_in_flight {self.in_flight}"]
        lines += ["# TYPE process_start_time_seconds gauge", f"process_start_time_seconds {self.started}"]
        return "\n".join(lines) + "\n"


def numbers(row: Any, width: int) -> bool:
    return isinstance(row, list) and len(row) == width and all(isinstance(value, int | float) for value in row)


async def reply(send: Any, status: int, body: bytes, kind: str, *extra: tuple[bytes, bytes]) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode()), *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    folder, *faults = sys.argv[1:]
    # With IPPROTO_TCP spelt out: asyncio sets TCP_NODELAY only then, and without it answers wait 40 ms for an ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    port = listener.getsockname()[1]
    partial = Path(folder) / "port.part"
    partial.write_text(str(port))
    os.replace(partial, Path(folder) / "port")  # noqa: PTH105  (atomic for the reader)
    service = Service(dict(fault.split("=", 1) for fault in faults))
    config = uvicorn.Config(service, log_level="warning", access_log=False, lifespan="off")
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    main()
