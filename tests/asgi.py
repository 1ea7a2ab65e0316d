"""One exchange with an ASGI application, message by message, without a server."""

import asyncio
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from app.api.exchange import App, Message


class Received(NamedTuple):
    """What the application sent; status 0 when it sent nothing."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


def part(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


GONE: Message = {"type": "http.disconnect"}


async def exchange(
    app: App,
    method: str,
    path: str,
    messages: bytes | Iterable[Message] = b"",
    headers: Iterable[tuple[str, str]] = (),
) -> Received:
    """Send one request; after the last of `messages` the client is silent for ever."""
    waiting = iter([part(messages)] if isinstance(messages, bytes) else messages)
    sent: list[Message] = []

    async def receive() -> Message:
        message = next(waiting, None)
        return await asyncio.Event().wait() and {} if message is None else message

    async def send(message: Message) -> None:
        sent.append(message)

    pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": pairs,
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 12345),
        "state": {},
    }
    await app(scope, receive, send)
    if not sent:
        return Received(0, {}, b"")
    fields = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    assert len(fields) == len(sent[0]["headers"]), f"a header is there twice: {sent[0]['headers']}"
    return Received(sent[0]["status"], fields, b"".join(message["body"] for message in sent[1:]))
