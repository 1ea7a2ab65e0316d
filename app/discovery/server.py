"""The HTTP server of discovery: small, because the process has nothing else to do and is not to weigh anything."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

Reply = tuple[int, bytes]
Route = Callable[[], Reply]

_REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}
_WITHIN = 5.0  # seconds for a whole request
_MOST = 8192  # bytes of a request


async def listen(host: str, port: int, routes: dict[str, Route]) -> asyncio.Server:
    """Serve GET on the paths of `routes`, JSON each. Raises OSError when the port cannot be listened on."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_WITHIN):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_encoded(*_reply(head, routes)))
                await writer.drain()
        writer.close()

    return await asyncio.start_server(answer, host, port, limit=_MOST)


def _reply(head: bytes, routes: dict[str, Route]) -> Reply:
    method, target, *_ = [*head.split(b"\r\n", 1)[0].decode("latin-1").split(" "), "", ""]
    route = routes.get(target.partition("?")[0])
    if route is None:
        return 404, b'{"detail": "there are ' + ", ".join(routes).encode() + b'"}'
    return route() if method == "GET" else (405, b'{"detail": "GET alone is answered"}')


def _encoded(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode("ascii") + body
