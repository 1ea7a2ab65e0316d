"""The process of the open-loop load source: `python -m tests.openloop_process PLAN RESULT` (see tests/openloop.py)."""

import contextlib
import gc
import json
import selectors
import signal
import socket
import sys
import time
import zlib
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.openloop import GRACE_SECONDS, SERIAL, Phase, Requests, Target


class _Connection:
    __slots__ = ("received", "request", "socket", "unsent")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.received = bytearray()
        self.unsent = b""
        self.request = -1


class _Engine:
    """Sends what is due and notes what comes back."""

    def __init__(self, port: int, targets: Sequence[Target], most: int) -> None:
        self._port = port
        self._most = most
        self._texts = [_text(port, target) for target in targets]
        self._selector = selectors.DefaultSelector()
        self._idle: list[_Connection] = []
        self._open = 0
        self._due: deque[int] = deque()
        self.columns: dict[str, list[Any]] = {name: [] for name in Requests._fields}
        self.boundaries: list[float] = []
        self.cpu: list[list[float]] = []
        self.stopped = False

    def run(self, phases: Sequence[Phase]) -> None:
        for phase in phases:
            start = self.boundaries[-1] if self.boundaries else time.monotonic()
            self.boundaries[-1:] = [start, self._phase(phase, start)]
        deadline = time.monotonic() + GRACE_SECONDS
        while self._under_way and time.monotonic() < deadline:
            self._turn(deadline)

    @property
    def _under_way(self) -> bool:
        return bool(self._due) or len(self._idle) < self._open

    def _phase(self, phase: Phase, start: float) -> float:
        """Run one phase and return its end."""
        stop, given = start + phase.seconds, 0
        while not self.stopped:
            now = time.monotonic()
            if now >= stop:
                return stop
            if phase.clients:
                while len(self._due) + self._open - len(self._idle) < phase.clients:
                    self._plan(now)
                following = stop
            else:
                following = start + given / phase.rate
                while following <= now:
                    self._plan(following)
                    given += 1
                    following = start + given / phase.rate
            self._turn(min(following, stop))
        return time.monotonic()

    def _plan(self, intended: float) -> None:
        columns = self.columns
        self._due.append(len(columns["intended"]))
        target = len(columns["intended"]) % len(self._texts)
        defaults = (intended, np.nan, np.nan, 0, target, False, 0)
        for name, value in zip(Requests._fields, defaults, strict=True):
            columns[name].append(value)

    def _turn(self, until: float) -> None:
        """Send what is due, then handle what comes, for at most the time until the next request is due."""
        while self._due and (self._idle or self._open < self._most):
            self._send(self._idle.pop() if self._idle else self._connect(), self._due.popleft())
        now = time.monotonic()
        if not self.cpu or now - self.cpu[-1][0] >= 1.0:
            self.cpu.append([now, time.process_time()])
        for key, events in self._selector.select(max(0.0, until - now)):
            if events & selectors.EVENT_WRITE:
                self._send_rest(key.data)
            if events & selectors.EVENT_READ:
                self._receive(key.data)

    def _connect(self) -> _Connection:
        connection = _Connection(self._port)
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        self._open += 1
        return connection

    def _send(self, connection: _Connection, request: int) -> None:
        head, tail = self._texts[self.columns["target"][request]]
        parts = [head, b"%09d" % request, tail] if tail else [head]
        connection.request = request
        self.columns["sent"][request] = time.monotonic()
        try:
            count = connection.socket.sendmsg(parts)
        except BlockingIOError:
            count = 0
        except OSError:
            self._lose(connection)
            return
        if count < sum(map(len, parts)):
            connection.unsent = b"".join(parts)[count:]
            self._selector.modify(connection.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, connection)

    def _send_rest(self, connection: _Connection) -> None:
        try:
            connection.unsent = connection.unsent[connection.socket.send(connection.unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self._lose(connection)
            return
        if not connection.unsent:
            self._selector.modify(connection.socket, selectors.EVENT_READ, connection)

    def _receive(self, connection: _Connection) -> None:
        if connection.socket.fileno() < 0:
            return  # lost a moment ago, while its rest was sent
        try:
            data = connection.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lose(connection)
            return
        received = connection.received
        received += data
        end_of_head = received.find(b"\r\n\r\n")
        if end_of_head < 0:
            return
        head = bytes(received[:end_of_head]).lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(received) < end_of_head + 4 + length:
            return
        columns, request = self.columns, connection.request
        columns["ended"][request] = time.monotonic()
        columns["status"][request] = int(head[9:12])
        columns["retry_after"][request] = b"\r\nretry-after:" in head
        columns["digest"][request] = zlib.crc32(received[end_of_head + 4 :])
        received.clear()
        connection.request = -1
        self._idle.append(connection)

    def _lose(self, connection: _Connection) -> None:
        """Forget a connection that broke; its request stays without an answer."""
        self._selector.unregister(connection.socket)
        connection.socket.close()
        connection.request = -1
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)
        self._open -= 1


def _text(port: int, target: Target) -> tuple[bytes, bytes]:
    """Return a request up to the serial number, and from there on (empty when it has none)."""
    path, body = target
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    whole = f"{head}Content-Length: {len(body.encode())}\r\n\r\n{body}".encode()
    before, _, after = whole.partition(SERIAL.encode())
    return before, after


def main() -> None:
    plan_file, result = sys.argv[1:]
    plan = json.loads(Path(plan_file).read_text())
    engine = _Engine(plan["port"], [Target(*one) for one in plan["targets"]], plan["most"])

    def stop(*_: object) -> None:
        engine.stopped = True

    signal.signal(signal.SIGTERM, stop)
    gc.disable()  # it would only find what is still needed, and hold up requests meanwhile
    engine.run([Phase(*one) for one in plan["phases"]])
    arrays: dict[str, Any] = {name: np.array(values) for name, values in engine.columns.items()}
    np.savez(result, boundaries=engine.boundaries, cpu=engine.cpu, **arrays)


if __name__ == "__main__":
    main()
