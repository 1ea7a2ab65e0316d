"""The questions that discovery asks: which addresses a name has, and whether who listens there is ready."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from app.discovery.pool import Answer

READY_WITHIN = 1.0  # seconds
NAMED_WITHIN = 2.0

Addresses = tuple[str, ...] | None


async def addresses(address: str) -> Addresses:
    """Return every HOST:PORT behind a NAME:PORT, in a fixed order; None when the name server gives none."""
    name, _, port = address.rpartition(":")
    try:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(name, int(port), family=socket.AF_INET, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return None
    return tuple(sorted({":".join(map(str, where[:2])) for *_, where in found})) or None


class Names:
    """Asks the name server; at most one question about a name is open, however long it takes to answer."""

    def __init__(
        self, resolve: Callable[[str], Coroutine[Any, Any, Addresses]] = addresses, within: float = NAMED_WITHIN
    ) -> None:
        self._resolve = resolve
        self._within = within
        self._open: dict[str, asyncio.Task[Addresses]] = {}

    async def of(self, address: str) -> Addresses:
        """Return every HOST:PORT behind a NAME:PORT, in a fixed order.

        None when there is none, when the name server fails, and when it has not answered in time: which of the three
        it is cannot be told apart everywhere (Docker's own server passes on names that it does not know).
        """
        question = self._open.get(address)
        if question is None:
            question = self._open[address] = asyncio.create_task(self._resolve(address))
            question.add_done_callback(lambda _: self._open.pop(address, None))
        try:
            return await asyncio.wait_for(asyncio.shield(question), self._within)
        except TimeoutError:
            return None


async def answer_of(replica: str) -> Answer:
    """Ask a replica, HOST:PORT, whether it is ready."""
    try:
        async with asyncio.timeout(READY_WITHIN):
            return await _ask(replica)
    except TimeoutError:
        return Answer.SILENT
    except OSError:
        return Answer.REFUSED


async def _ask(replica: str) -> Answer:
    host, _, port = replica.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=4096)
    try:
        writer.write(f"GET /readyz HTTP/1.1\r\nHost: {replica}\r\nConnection: close\r\n\r\n".encode("ascii"))
        head = await reader.read(64)
    finally:
        writer.transport.abort()
    return Answer.READY if head.split(b" ", 2)[1:2] == [b"200"] else Answer.REFUSED
