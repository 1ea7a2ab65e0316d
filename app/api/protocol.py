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
# The parser collects a head without a bound of its own, copying it again with every packet.
_MOST_HEAD_BYTES = 65536


class Cycle(Protocol):
    """What of uvicorn's request-response cycle is used here."""

    transport: asyncio.Transport
    message_event: asyncio.Event
    flow: Any
    disconnected: bool
    keep_alive: bool
    more_body: bool
    response_started: bool
    response_complete: bool

    def on_response(self) -> None: ...


class AnswersHeads(Protocol):
    """An application that also answers requests whose head cannot be passed on to it."""

    def refuse_head(self, kind: str, detail: str) -> bytes: ...


class LabProtocol(HttpToolsProtocol):
    """One connection."""

    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        scope: dict[str, Any] | None = self.scope  # type: ignore[assignment]  # None before the first request
        if scope is not None and "method" in scope:  # its head is complete
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > _MOST_HEAD_BYTES:
            self._refuse("head-too-large", f"{self._head_bytes} bytes or more; at most {_MOST_HEAD_BYTES} are taken")

    def on_message_complete(self) -> None:
        super().on_message_complete()
        # The end of a body that was refused before it was here: from now on the client rests.
        if self.cycle.response_complete and self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def send_400_response(self, msg: str) -> None:
        self._refuse("bad-request", msg)

    def _refuse(self, kind: str, detail: str) -> None:
        """Answer what is no request, or not yet one, and close the connection."""
        if self.transport.is_closing():
            return
        app: Any = self.app
        if hasattr(app, "refuse_head"):
            answering: AnswersHeads = app
            self.transport.write(answering.refuse_head(kind, detail))
            self.transport.close()
        else:
            super().send_400_response(detail)

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
