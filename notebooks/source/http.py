"""HTTP clients for a notebook: plain httpx, whose transport asks the stack, records it, or plays what was recorded."""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

import httpx

from notebooks.source.tape import Tape

DEADLINE = httpx.Timeout(10.0, connect=2.0)
KEPT = ("content-type", "location", "retry-after", "server-timing", "x-model-version", "x-request-id")
"""Headers of an answer that a recording keeps."""
TOOK = "recorded_took_ms"


class Client(httpx.Client):
    """An httpx client; the `elapsed` of a recorded answer is the time that the real one took."""

    def send(self, request: httpx.Request, **more: Any) -> httpx.Response:
        response = super().send(request, **more)
        if TOOK in response.extensions:
            response.elapsed = timedelta(milliseconds=response.extensions[TOOK])
        return response


def live(url: str) -> Client:
    """Return a client of what runs at `url`."""
    return Client(base_url=url, timeout=DEADLINE, trust_env=False)


def replayed(tape: Tape, url: str = "http://recorded") -> Client:
    """Return a client of a recording: it opens no connection."""
    return Client(base_url=url, transport=Replay(tape))


def recording(url: str, tape: Tape, transport: httpx.BaseTransport | None = None) -> Client:
    """Return a client of what runs at `url` (or answers by `transport`) that keeps every exchange on the tape."""

    class Recording(Client):
        def send(self, request: httpx.Request, **more: Any) -> httpx.Response:
            response = super().send(request, **more)
            tape.add(question(request), _kept(response))
            return response

    return Recording(base_url=url, timeout=DEADLINE, trust_env=False, transport=transport)


class Replay(httpx.BaseTransport):
    """Answers requests as a tape does."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        kept: Mapping[str, Any] = self._tape.answer(question(request))
        return httpx.Response(
            kept["status"], headers=kept["headers"], text=kept["body"], extensions={TOOK: kept["took_ms"]}
        )


def question(request: httpx.Request) -> str:
    """Return what tells one request from another: never a host, never a key's value."""
    path = request.url.raw_path.decode("ascii")
    body = request.content.decode("utf-8", "replace")
    with suppress(ValueError):  # a body that is wrong is a question too
        body = json.dumps(json.loads(body), ensure_ascii=False, separators=(",", ":"))
    marks = " with a key" if request.headers.get("x-api-key") else ""
    marks += " idempotent" if request.headers.get("idempotency-key") else ""
    return f"{request.method} {path} {body}".rstrip() + marks


def _kept(response: httpx.Response) -> dict[str, Any]:
    headers = {name: response.headers[name] for name in KEPT if name in response.headers}
    took_ms = round(response.elapsed.total_seconds() * 1000, 3)
    return {"status": response.status_code, "headers": headers, "body": response.text, "took_ms": took_ms}
