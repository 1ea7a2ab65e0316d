"""A real Prometheus for tests, and a page of metrics for it to scrape."""

import contextlib
import itertools
import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from labkit.home import Home
from labkit.stack.obtain import prometheus
from tests.eventually import eventually
from tests.service import ROOT, end, free_ports, start_bound

HOSTILE = '<img src=x onerror="alert(1)">'


@contextlib.contextmanager
def running_prometheus(folder: Path, targets: Sequence[str]) -> Iterator[str]:
    """Start one that scrapes these addresses twice a second; yields its URL."""
    home = Home(ROOT, ROOT / ".lab")
    program = prometheus.find(home) or prometheus.obtain(home, print)
    (port,) = free_ports(1)
    configuration = {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "400ms"},
        "scrape_configs": [{"job_name": "sample", "static_configs": [{"targets": list(targets)}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(configuration))
    options = (
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        *program.arguments,
    )
    with (folder / "prometheus.log").open("wb") as log:
        process = start_bound([program.path, *options], stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            eventually(lambda: httpx.get(f"{url}/-/ready").status_code == 200, within=30, what="Prometheus is ready")
            yield url
        finally:
            end(process)


@contextlib.contextmanager
def sample_metrics() -> Iterator[str]:
    """Serve a page of metrics that grow with each scrape, one of them with a hostile label; yields HOST:PORT."""
    scrapes = itertools.count(1)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = _exposition(next(scrapes)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _exposition(n: int) -> str:
    hostile = HOSTILE.replace("\\", "\\\\").replace('"', '\\"')
    bounds = [("0.01", 5 * n), ("0.1", 8 * n), ("1", 9 * n), ("+Inf", 9 * n)]
    lines = [
        "# TYPE requests_total counter",
        *(f'requests_total{{replica="{name}",route="{route}"}} {n * size}'
          for size, (name, route) in enumerate(itertools.product(("api-1", "api-2"), ("/", "/predict")), 1)),
        f'requests_total{{replica="{hostile}",route="/"}} {n}',
        "# TYPE seconds histogram",
        *(f'seconds_bucket{{le="{le}"}} {value}' for le, value in bounds),
        f"seconds_sum {n}", f"seconds_count {9 * n}",
        "# TYPE size_bytes gauge", f"size_bytes {n * 2**20}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"
