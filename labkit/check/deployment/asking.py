"""Requests with the answer that the HTTP contract promises, as data, and what is wrong with an answer."""

import json
from dataclasses import dataclass, field
from typing import Any

import httpx

from labkit.check.deployment.subject import Deployment

IRIS = [[5.1, 3.5, 1.4, 0.2]]
PROBLEM = "application/problem+json"
JSON = "application/json"


@dataclass(frozen=True)
class Asked:
    """One request and its promised answer; `has` are keys of the answer's JSON object."""

    method: str
    path: str
    status: int
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = JSON
    has: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


def sent(deployment: Deployment, asked: Asked) -> httpx.Response:
    """Send it. Raises CannotRun when there is no answer."""
    headers = {"Content-Type": JSON, **asked.headers} if asked.body is not None else asked.headers
    return deployment.ask(asked.method, asked.path, content=asked.body, headers=headers)


def wrong(asked: Asked, answer: httpx.Response) -> str:
    """Return the first thing about an answer that is not as promised, "" when all is."""
    if answer.status_code != asked.status:
        return f"{asked}: {answer.status_code} instead of {asked.status}"
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if kind != asked.kind:
        return f"{asked}: content type {kind or 'missing'} instead of {asked.kind}"
    if not asked.has:
        return ""
    try:
        body = answer.json()
    except ValueError:
        return f"{asked}: the answer is no JSON"
    missing = [name for name in asked.has if not isinstance(body, dict) or name not in body]
    return f"{asked}: no {', '.join(missing)} in the answer" if missing else ""
