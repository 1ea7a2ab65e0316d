"""A real Elasticsearch for tests: the stack's own assembly; started again, it has its port and its data."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from labkit.home import find_home
from labkit.stack.obtain import elasticsearch
from labkit.stack.obtain.program import Program
from tests.eventually import eventually
from tests.service import end, free_ports, start_bound


@cache
def _program() -> Program:
    """The stack's own assembly, which is obtained once and for all."""
    home = find_home()
    return elasticsearch.find(home) or elasticsearch.obtain(home, print)


class ElasticsearchServer:
    """One node, started by `start`; `url` is what clients are given."""

    def __init__(self, folder: Path) -> None:
        http, transport = free_ports(2)
        self.url = f"http://127.0.0.1:{http}"
        self._log = folder / "elasticsearch.log"
        program = _program()
        flags = (*elasticsearch.SMALL, *elasticsearch.settings(http, transport, folder / "data"))
        self._command = [program.path, *flags, *program.arguments]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the node and wait until it answers. It lives as long as the thread that calls this."""
        with self._log.open("ab") as log:
            self._process = start_bound(self._command, stdout=log, stderr=log)
        eventually(self.answers, within=90, every=0.2, what="Elasticsearch answers")

    def answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            text = self._log.read_text(errors="replace")
            raise AssertionError(f"Elasticsearch ended with {self._process.returncode}: {text[-2000:]}")
        return bool(self.ask("GET", "/_cluster/health")["status"] in {"green", "yellow"})

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer to one request; raises HTTPError for a refusal."""
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        with urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def freeze(self) -> None:
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            end(self._process, signal.SIGKILL)

    def _send(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)


@contextlib.contextmanager
def running_elasticsearch(folder: Path) -> Iterator[ElasticsearchServer]:
    """Start a node and end it."""
    server = ElasticsearchServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()
