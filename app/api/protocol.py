"""uvicorn's HTTP protocol, taught to send a whole answer in one write, and to close connections that only trickle.

An ASGI answer takes two awaited messages, a regular expression per header and two writes: a quarter of the time of a
small prediction (docs/decisions/0002). Endpoints that know their whole answer use `send_whole`; where it is not
offered (another server, a test client) they send the two messages.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

CYCLE = "lab.cycle"


class Cycle(Protocol):
    """What of uvicorn's request-response cycle is used here."""

    transport: asyncio.Transport
    message_event: asyncio.Event
    flow: Any
    disconnected: bool
    keep_alive: bool
    response_started: bool
    response_complete: bool

    def on_response(self) -> None: ...


class LabProtocol(HttpToolsProtocol):
    """One connection."""

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        # The task of the request exists, but runs only after the parser is done: it will find the cycle.
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]  # uvicorn types it without room for more
        scope[CYCLE] = self.cycle

    @property
    def in_head(self) -> object | None:
        """Stands for the request whose head is still to arrive; None while one is answered or the client rests."""
        cycle: Cycle | None = self.cycle
        if self.timeout_keep_alive_task is not None or (cycle is not None and not cycle.response_complete):
            return None
        scope: object | None = self.scope
        return scope or self


def send_whole(cycle: Cycle, answer: bytes) -> bool:
    """Write head and body at once; say False, having done nothing, when the connection needs more care than that.

    That is when the client reads too slowly, or wants the connection closed and therefore told so.
    """
    if cycle.flow.write_paused or not cycle.keep_alive:
        return False
    if cycle.disconnected:
        return True
    cycle.response_started = cycle.response_complete = True
    cycle.transport.write(answer)
    cycle.message_event.set()
    cycle.on_response()
    return True


async def close_slow_heads(connections: Iterable[Any], seconds: float) -> None:
    """Close, for ever, every connection whose request head takes longer than about `seconds`."""
    seen: dict[LabProtocol, object] = {}
    while True:
        await asyncio.sleep(seconds)
        slow = {one: one.in_head for one in connections if isinstance(one, LabProtocol) and one.in_head is not None}
        for connection, head in slow.items():
            if seen.get(connection) is head:
                connection.transport.close()
        seen = slow
