"""What endpoints behind an API key share: key, bounds, refusals, metering, log. Plain ASGI, before any framework."""

import logging
from abc import ABC, abstractmethod
from http import HTTPStatus
from time import perf_counter
from typing import NamedTuple

from app.api.exchange import (
    CLIENT_CLOSED_REQUEST,
    JSON,
    NO_VERSION,
    ClientGone,
    Exchange,
    Headers,
    Receive,
    Scope,
    Send,
    send_answer,
    standard_headers,
)
from app.api.protocol import CYCLE, Cycle, send_whole
from app.core.errors import QueueAway, RequestRefused, StoreAway, UnknownModel
from app.core.ports import KeyRing
from app.telemetry.request_id import request_id

_log = logging.getLogger("app.api")
KEY_HEADER = b"x-api-key"
# Seconds; by then a store or a queue that was away has been asked again.
_COME_BACK = 1


class Call(NamedTuple):
    """One request of a client whose key is known."""

    client: str
    path: str
    headers: Headers
    """As ASGI gives them: names in lower case."""
    request: bytes
    """Its id."""
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """Return the value of the first header of this name (lower case)."""
        return next((value for one, value in self.headers if one == name), None)


class Reply(NamedTuple):
    """The answer to a call; `headers` beside those of its content and the standard ones."""

    status: int
    payload: bytes
    headers: Headers
    model: str = ""
    version: str = ""


class KeyedEndpoint(ABC):
    """One route that takes one method from clients with an API key.

    Subclasses say what they `reply`. They may raise RequestRefused, UnknownModel, QueueAway and StoreAway.
    """

    method = "POST"

    def __init__(self, route: str, exchange: Exchange, keys: KeyRing) -> None:
        """`route`: the template that metrics and log show."""
        self._exchange = exchange
        self._meter = exchange.meter(route)
        self._keys = keys

    @abstractmethod
    async def reply(self, call: Call) -> Reply:
        """Return the answer to a call."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        exchange = self._exchange
        # Taken out of the scope, which it refers to itself: what is a cycle waits for the garbage collector.
        cycle: Cycle | None = scope.pop(CYCLE, None)
        request = request_id(scope["headers"])
        exchange.keyed_in_flight += 1
        try:
            whole: Cycle | None = None
            try:
                reply = await self._replied(scope, receive, cycle, request)
                if cycle is not None and not cycle.more_body and scope["method"] != "HEAD":
                    whole = cycle
            except ClientGone:
                reply = Reply(CLIENT_CLOSED_REQUEST, b"", [])
            except Exception as error:
                reply = self._refusal(error, request)
            seconds = perf_counter() - started
            version = (reply.version or NO_VERSION).encode()
            if whole is None or not send_whole(whole, _whole(reply, request, version, seconds)):
                await send_answer(send, reply.status, reply.payload, reply.headers, request, version, seconds)
            exchange.finish(scope, self._meter, reply.status, seconds, request.decode(), reply.model, reply.version)
        finally:
            exchange.keyed_in_flight -= 1

    async def _replied(self, scope: Scope, receive: Receive, cycle: Cycle | None, request: bytes) -> Reply:
        exchange, headers = self._exchange, scope["headers"]
        # HEAD is GET without the body, which the server leaves out by itself (RFC 9110, 9.3.2).
        if scope["method"] != self.method and (scope["method"], self.method) != ("HEAD", "GET"):
            raise RequestRefused("method-not-allowed", f"{scope['method']} here; {self.method} is taken")
        key = next((value for name, value in headers if name == KEY_HEADER), None)
        client = None if key is None else self._keys.client(key)
        if client is None:
            seen = "no X-API-Key header" if key is None else "an X-API-Key that nobody has"
            raise RequestRefused("wrong-key", f"{seen}; send the key that was handed to you")
        if exchange.keyed_in_flight > exchange.max_in_flight:
            raise exchange.full(exchange.keyed_in_flight)
        body = await exchange.body(scope, receive, cycle) if self.method == "POST" else b""
        reply = await self.reply(Call(client, scope["path"], headers, request, body))
        reply.headers.insert(0, JSON)
        return reply

    def _refusal(self, error: Exception, request: bytes) -> Reply:
        match error:
            case RequestRefused():
                refused = error
            case UnknownModel():
                refused = RequestRefused("unknown-model", str(error))
            case QueueAway():
                refused = RequestRefused("queue-away", f"not accepted: {error}; send it again", _COME_BACK)
            case StoreAway():
                refused = RequestRefused("store-away", f"{error}; send it again", _COME_BACK)
            case _:
                facts = {"request_id": request.decode()}
                _log.error("request to %s failed", self._meter.route, exc_info=error, extra=facts)
                detail = "the service failed; its log has the reason under the request id"
                refused = RequestRefused("internal", detail)
        status, payload, headers = self._exchange.refusal(refused, request)
        if refused.kind == "method-not-allowed":
            headers.append((b"allow", self.method.encode()))
        elif refused.kind == "wrong-key":
            headers.append((b"www-authenticate", b"ApiKey"))
        return Reply(status, payload, headers)


def _whole(reply: Reply, request: bytes, version: bytes, seconds: float) -> bytes:
    """Return head and body in one piece, for `send_whole`."""
    headers = [*reply.headers, *standard_headers(request, version, seconds)]
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    status = b"HTTP/1.1 %d %b\r\n" % (reply.status, HTTPStatus(reply.status).phrase.encode())
    return status + lines + b"content-length: %d\r\n\r\n" % len(reply.payload) + reply.payload
