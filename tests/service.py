"""A real service process for tests: `python -m app.api` on free ports, ended with the test that started it."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.eventually import eventually

ROOT = Path(__file__).parents[1]
# Within a text the quotation marks would be escaped.
_REQUEST_RECORD = b'"_event":"request"'
# PR_SET_PDEATHSIG (Linux) survives exec: whatever happens to pytest, the kernel ends the program. Not done in a
# preexec_fn, which Python warns of where there are threads.
_BOUND_TO_PARENT = """
import ctypes, os, signal, sys
parent = int(sys.argv[1])
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != parent:
    sys.exit("the parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


def start_bound(command: list[str], **options: Any) -> "subprocess.Popen[bytes]":
    """Start a program in a process group of its own, which ends at the latest with this process."""
    launch = [sys.executable, "-c", _BOUND_TO_PARENT, str(os.getpid()), *command]
    return subprocess.Popen(launch, **{"cwd": ROOT, "start_new_session": True} | options)


def end(process: "subprocess.Popen[bytes]", number: int = signal.SIGTERM, within: float = 15.0) -> int:
    """Send a signal to the process group, SIGKILL when that is not enough; return the exit code."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
    try:
        return process.wait(within)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait(within)


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nobody listens on."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def environment(**settings: object) -> dict[str, str]:
    """Return this process's environment without LAB_* variables but those given (`api_port=1` is LAB_API_PORT)."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LAB_")}
    return inherited | {f"LAB_{name.upper()}": str(value) for name, value in settings.items()}


class Sample(NamedTuple):
    name: str
    labels: dict[str, str]
    value: float


class Scrape:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        families = text_string_to_metric_families(text)
        self.samples = [Sample(one.name, one.labels, one.value) for family in families for one in family.samples]

    def total(self, name: str, **labels: str) -> float:
        """Return the sum over the series of `name` that have these labels."""
        return sum(one.value for one in self.samples if one.name == name and labels.items() <= one.labels.items())

    def series(self) -> set[tuple[str, ...]]:
        """Return what tells the series apart: name and label values."""
        return {(one.name, *map("=".join, sorted(one.labels.items()))) for one in self.samples}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Service:
    """One api process; its log goes to a file, so that nothing can stall it, or to `stdout`, a file descriptor."""

    def __init__(self, folder: Path, *, stdout: int | None = None, **settings: object) -> None:
        self.port, self.metrics_port = free_ports(2)
        self.log = folder / f"api-{self.port}.log"
        self.errors = folder / f"api-{self.port}.err"
        given: dict[str, object] = {"api_port": self.port, "metrics_port": self.metrics_port, "replica": "api-test"}
        with self.log.open("wb") as out, self.errors.open("wb") as err:
            sink = out.fileno() if stdout is None else stdout
            self.process = start_bound(
                [sys.executable, "-m", "app.api"], env=environment(**given | settings), stdout=sink, stderr=err
            )
        self.created = psutil.Process(self.process.pid).create_time()

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_ready(self, within: float = 60.0) -> None:
        def ready() -> bool:
            code = self.process.poll()
            if code is not None:
                return True
            return self.get("/readyz").status == 200

        eventually(ready, within=within, what="the service is ready")
        if self.process.poll() is not None:
            raise AssertionError(f"the service ended with {self.process.returncode}: {self.errors.read_text()}")

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        port: int = 0,
        timeout: float = 30.0,
    ) -> Answer:
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, fields, response.read())

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, document: Any, headers: dict[str, str] | None = None) -> Answer:
        """Post JSON; bytes are sent as they are."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.request("POST", path, body, {"Content-Type": "application/json", **(headers or {})})

    def scrape(self) -> Scrape:
        answer = self.request("GET", "/metrics", port=self.metrics_port)
        assert answer.status == 200, answer
        return Scrape(answer.body.decode())

    def settled(self) -> Scrape:
        """Return a scrape taken when no request is under way and every one is in the log."""

        def quiet() -> Scrape | None:
            scrape = self.scrape()
            lines, written = self.log.read_bytes(), scrape.total("log_records_total", sink="stdout", outcome="written")
            logged = lines.count(_REQUEST_RECORD) == scrape.total("http_requests_total")
            whole = lines.count(b"\n") == written
            return scrape if logged and whole and not scrape.total("http_requests_in_flight") else None

        return eventually(quiet, what="all requests are answered and logged")

    def records(self) -> list[dict[str, Any]]:
        """Return the access log's records, oldest first."""
        lines = self.log.read_bytes().splitlines()
        return [record for record in map(json.loads, lines) if record["_event"] == "request"]

    def resident_bytes(self) -> int:
        return int(psutil.Process(self.pid).memory_info().rss)

    def same_process(self) -> bool:
        """Say whether the process that was started still runs, never restarted."""
        return self.process.poll() is None and psutil.Process(self.pid).create_time() == self.created

    def stop(self) -> int:
        return end(self.process)


@contextlib.contextmanager
def running_service(folder: Path, *, stdout: int | None = None, **settings: object) -> Iterator[Service]:
    """Start a service, wait until it is ready, end it."""
    service = Service(folder, stdout=stdout, **settings)
    try:
        service.wait_ready()
        yield service
    finally:
        service.stop()


def refused_start(**settings: object) -> str:
    """Start a service that cannot start; return the one line that it leaves, having checked its exit code."""
    port, metrics_port = free_ports(2)
    given: dict[str, object] = {"api_port": port, "metrics_port": metrics_port}
    run = subprocess.run(
        [sys.executable, "-m", "app.api"],
        cwd=ROOT,
        env=environment(**given | settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 2, f"exit code {run.returncode}: {run.stderr}"
    (line,) = run.stderr.splitlines()
    return line
