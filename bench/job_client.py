"""The load of a queue of jobs, a process of its own: `python -m bench.job_client`, orders as JSON on stdin.

Both queues are asked in the same way, with keep-alive connections that have one request under way each:
- flood: hand jobs in as fast as they are taken, for some seconds, with a bounded number unanswered; beside it ask for
  the oldest ones in order; it ends with the last answer. Whoever is not done yet is asked again 0.1 s later, so that
  asking costs a queue that is slow no more than one that is fast.
- pace: hand jobs in at even times and ask for each until it is answered; latency from the intended start.

Prints one line of JSON, see `Outcome`.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import cycle
from typing import Any
from urllib.parse import urlsplit

import msgspec
import uvloop

MOST_OPEN = 1000
"""Jobs handed in and not answered, in a flood."""
WINDOW = 8
"""Jobs that are asked for at once, in a flood."""
NOT_YET = 0.1
"""Seconds until somebody is asked again, in a flood."""
FIRST_PAUSE, LONGEST_PAUSE, GROWTH = 0.004, 0.1, 1.3
PATIENCE = 30.0
"""Seconds for the answers after the last hand-in."""


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to do: `rate` 0 is a flood, else jobs a second; `keys` are taken in turn (one empty key: no header)."""

    url: str
    bodies: list[str]
    keys: list[str]
    seconds: float
    connections: int
    rate: float = 0.0


class Outcome(msgspec.Struct):
    """What came of it. `seconds` from the first hand-in to the last answer, latencies in microseconds."""

    accepted: int = 0
    answered: int = 0
    refused: int = 0
    broken: int = 0
    """Connections lost, and accepted jobs without an answer."""
    asked: int = 0
    seconds: float = 0.0
    p50_us: int = 0
    p99_us: int = 0
    max_us: int = 0
    cpu_percent: float = 0.0
    """Of one core, of this process."""


class Connection(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self) -> None:
        self._buffer = b""
        self._waiter: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    @property
    def lost(self) -> bool:
        return bool(self._transport.is_closing())

    def ask(self, request: bytes) -> Awaitable[tuple[int, bytes]]:
        """Send a request; the result is status and body. Raises ConnectionError when the connection is lost."""
        self._waiter = asyncio.get_running_loop().create_future()
        if self.lost:
            self._waiter.set_exception(ConnectionError("closed"))
        else:
            self._transport.write(request)
        return self._waiter

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lower = head.lower()
        start = lower.index(b"content-length:") + 15
        end = lower.find(b"\r", start)
        length = int(lower[start : end if end >= 0 else None])
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result((int(head[9:12]), rest[:length]))

    def connection_lost(self, _error: Exception | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionError("lost"))

    def close(self) -> None:
        self._transport.close()


class Client:
    """Jobs of one order, and what came of them."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.outcome = Outcome()
        self._host = urlsplit(order.url).netloc
        bodies = [body.encode() for body in order.bodies]
        self._jobs = cycle([(body, key) for body in bodies for key in order.keys])
        self._free: list[Connection] = []
        self._all: list[Connection] = []
        self._open: deque[tuple[str, str]] = deque()
        self._latencies: list[float] = []
        self._all_in = False
        self._first = self._last = 0.0

    async def run(self) -> Outcome:
        cpu, began = time.process_time(), time.perf_counter()
        self._first = began
        await (self._pace() if self.order.rate else self._flood())
        out = self.outcome
        out.cpu_percent = 100 * (time.process_time() - cpu) / (time.perf_counter() - began)
        out.seconds = max(self._last - self._first, 1e-9)
        out.broken += out.accepted - out.answered
        times = sorted(self._latencies)
        if times:
            out.p50_us, out.p99_us, out.max_us = (
                round(times[min(int(len(times) * share), len(times) - 1)] * 1e6) for share in (0.5, 0.99, 1.0)
            )
        for connection in self._all:
            connection.close()
        await asyncio.sleep(0)  # they are closed in the loop's next round
        return out

    async def _flood(self) -> None:
        until = self._first + self.order.seconds
        submitters = [asyncio.create_task(self._submit_until(until)) for _ in range(self.order.connections)]
        asking = asyncio.create_task(self._ask_in_order())
        await asyncio.gather(*submitters)
        self._all_in = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asking, PATIENCE)

    async def _submit_until(self, until: float) -> None:
        connection = await self._connect()
        while time.perf_counter() < until:
            if len(self._open) >= MOST_OPEN:
                await asyncio.sleep(0.005)
            else:
                await self._submit(connection, self._open.append)
                if connection.lost:
                    connection = await self._connect()

    async def _ask_in_order(self) -> None:
        connections = [await self._connect() for _ in range(WINDOW)]
        while self._open or not self._all_in:
            window = [self._open[n] for n in range(min(WINDOW, len(self._open)))]
            connections = [await self._connect() if one.lost else one for one in connections]
            pairs = zip(connections, window, strict=False)
            done = await asyncio.gather(*(self._is_done(connection, *job) for connection, job in pairs))
            for job, answered in zip(window, done, strict=True):
                if answered:
                    self._open.remove(job)  # at the front, or near it
            if not all(done) or not window:
                await asyncio.sleep(NOT_YET if window else 0.002)

    async def _pace(self) -> None:
        count = round(self.order.rate * self.order.seconds)
        tasks = []
        for number in range(count):
            due = self._first + number / self.order.rate
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            tasks.append(asyncio.create_task(self._one(due)))
        await asyncio.gather(*tasks)

    async def _one(self, due: float) -> None:
        """Hand in one job and ask until it is answered."""
        jobs: list[tuple[str, str]] = []
        connection = await self._taken()
        await self._submit(connection, jobs.append)
        pause, deadline = FIRST_PAUSE, due + PATIENCE
        while jobs and time.perf_counter() < deadline:
            self._free.append(connection)
            await asyncio.sleep(pause)
            connection = await self._taken()
            pause = min(pause * GROWTH, LONGEST_PAUSE)
            if await self._is_done(connection, *jobs[0]):
                self._latencies.append(self._last - due)
                break
        self._free.append(connection)

    async def _submit(self, connection: Connection, keep: Callable[[tuple[str, str]], None]) -> None:
        body, key = next(self._jobs)
        status, answer = await self._asked(connection, self._request(b"POST", "/jobs", key, body))
        if status == 202:
            self.outcome.accepted += 1
            keep((json.loads(answer)["id"], key))

    async def _is_done(self, connection: Connection, ident: str, key: str) -> bool:
        self.outcome.asked += 1
        status, answer = await self._asked(connection, self._request(b"GET", f"/jobs/{ident}", key))
        if status != 200 or b'"queued"' in answer:
            return False
        if json.loads(answer)["status"] != "done":
            self.outcome.refused += 1
        self.outcome.answered += 1
        self._last = time.perf_counter()
        return True

    async def _asked(self, connection: Connection, request: bytes) -> tuple[int, bytes]:
        """Return status and body, status 0 when the connection was lost; refusals are counted."""
        try:
            status, body = await connection.ask(request)
        except ConnectionError:
            self.outcome.broken += 1
            return 0, b""
        if status >= 400:
            self.outcome.refused += 1
        return status, body

    def _request(self, method: bytes, path: str, key: str, body: bytes = b"") -> bytes:
        lines = [method + f" {path} HTTP/1.1".encode(), b"Host: " + self._host.encode()]
        if key:
            lines.append(b"X-API-Key: " + key.encode())
        if body:
            lines += [b"Content-Type: application/json", b"Content-Length: %d" % len(body)]
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    async def _taken(self) -> Connection:
        """Return a connection that nobody uses, a new one when there is none."""
        while self._free:
            if not (connection := self._free.pop()).lost:
                return connection
        return await self._connect()

    async def _connect(self) -> Connection:
        parts = urlsplit(self.order.url)
        _, connection = await asyncio.get_running_loop().create_connection(
            Connection, parts.hostname or "127.0.0.1", parts.port or 80
        )
        self._all.append(connection)
        return connection


def main() -> None:
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    outcome = uvloop.run(Client(order).run())
    print(msgspec.json.encode(outcome).decode())


if __name__ == "__main__":
    main()
