"""A Prometheus that answers the report's queries for a sample run: the HTTP API's own format, seeded series."""

import json
import math
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from labkit.report.queries import COUNTED, OVER_TIME, WHOLE_RUN

NAMES = {
    query.promql.replace("[W]", "[R]"): name
    for asked in (OVER_TIME, WHOLE_RUN, COUNTED)
    for name, query in asked.items()
}
CACHE = (("process", "hit", 4200), ("process", "miss", 5400), ("redis", "hit", 1900), ("redis", "miss", 3500))
REPLICAS = ("127.0.0.1:18101", "127.0.0.1:18102")


@contextmanager
def sample_prometheus(run: Path) -> Iterator[str]:
    """Serve the API on a free loopback port; yields its URL."""
    counters = json.loads((run / "counters.json").read_text(encoding="utf-8"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            asked = {key: values[0] for key, values in parse_qs(address.query).items()}
            data = answer(address.path, asked, counters)
            body = json.dumps({"status": "success", "data": data}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(path: str, asked: dict[str, str], counters: dict[str, Any]) -> dict[str, Any]:
    if path.endswith("/targets"):
        return {"activeTargets": [{"scrapeInterval": "1s"}]}
    key = _key(asked["query"])
    if path.endswith("/query_range"):
        start, end, step = (float(asked[name]) for name in ("start", "end", "step"))
        return {"resultType": "matrix", "result": list(_matrix(key, np.arange(start, end, step)))}
    return {"resultType": "vector", "result": _vector(key, float(asked["time"]), counters)}


def _key(query: str) -> str:
    """Return the report's name of a query, whatever its windows are."""
    return NAMES[re.sub(r"\[\d+s\]", "[R]", query)]


def _matrix(key: str, t: np.ndarray) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(len(key))
    x = t - t[0] - 5
    load = np.where((x > 0) & (x < 60), np.where((x > 20) & (x < 40), 260.0, 120.0), 0.0)
    stall = np.where((x > 30) & (x < 34), 1.0, 0.0)
    noise = 1 + rng.normal(0, 0.04, len(t))
    jobs = [{"job": "api", "instance": one} for one in REPLICAS] + [{"job": "traefik", "instance": "127.0.0.1:18081"}]
    shapes: dict[str, list[tuple[dict[str, str], np.ndarray]]] = {
        "rate": [({"instance": one}, load / 2 * noise) for one in REPLICAS],
        "p50": [({}, np.where(load > 0, 0.0021, math.nan) * noise)],
        "p99": [({}, np.where(load > 0, 0.0065 + 0.6 * stall, math.nan) * noise)],
        "p99_replica": [
            ({"instance": one}, np.where(load > 0, 0.006 + 0.001 * n + 0.6 * stall, math.nan))
            for n, one in enumerate(REPLICAS)
        ],
        "in_flight": [({"instance": one}, np.round(load / 200 * noise + 9 * stall)) for one in REPLICAS],
        "cpu": [(one, (0.05 + load / 700 / (n + 1)) * noise) for n, one in enumerate(jobs)],
        "memory": [(one, np.full(len(t), (92.0 - 11 * n) * 2**20) + load * 2000) for n, one in enumerate(jobs)],
        "cache": [({"tier": tier, "outcome": outcome}, load * n / 9600 * noise) for tier, outcome, n in CACHE],
        "batch": [({"model": "forest"}, 1 + load / 60 * noise), ({"model": "digits"}, 1 + load / 200 * noise)],
        "shed": [({"reason": "queue_full"}, stall * 4)],
        "edge_rate": [({"code": "200"}, load * 0.99), ({"code": "503"}, stall * 4)],
        "edge_p99": [({}, np.where(load > 0, 0.008 + 0.6 * stall, math.nan) * noise)],
    }  # fmt: skip
    for labels, values in shapes.get(key, []):
        points = [[float(a), "NaN" if math.isnan(b) else str(b)] for a, b in zip(t, values, strict=True)]
        yield {"metric": labels, "values": points}


def _vector(key: str, when: float, counters: dict[str, Any]) -> list[dict[str, Any]]:
    times = [scrape["t"] for scrape in counters["after"].values()]
    later = when >= max(times)
    if key == "requests":
        return [
            {"metric": {"instance": url.split("/")[2], **sample["labels"]}, "value": [when, str(sample["value"])]}
            for url, scrape in counters["after" if later else "before"].items()
            for sample in scrape["samples"]
            if sample["name"] == "http_requests_total"
        ]
    grown: dict[str, list[tuple[dict[str, str], float]]] = {
        "cache": [({"tier": tier, "outcome": outcome}, n) for tier, outcome, n in CACHE],
        "batch_sum": [({"model": "forest"}, 3012), ({"model": "digits"}, 1208)],
        "batch_count": [({"model": "forest"}, 910), ({"model": "digits"}, 1004)],
        "shed": [({"reason": "queue_full"}, 19)],
        "edge": [({"code": "200"}, 9981), ({"code": "503"}, 19)],
        "p50": [({}, 0.0021)],
        "p99": [({}, 0.0078)],
        "p50_replica": [({"instance": one}, 0.0021) for one in REPLICAS],
        "p99_replica": [({"instance": one}, 0.0074 + 0.0006 * n) for n, one in enumerate(REPLICAS)],
    }  # fmt: skip
    scale = 1.0 if later or key.startswith("p") else 0.0
    return [{"metric": labels, "value": [when, str(n * scale)]} for labels, n in grown.get(key, [])]
