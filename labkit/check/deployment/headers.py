"""The headers that every answer carries."""

import re
import secrets
from collections.abc import Callable

import httpx

from labkit.check.deployment.asking import IRIS, Asked, encoded, sent
from labkit.check.deployment.subject import Deployment
from labkit.check.finding import Finding, verdict

ROWS = encoded({"data": IRIS})
OF_EVERY_KIND = (
    Asked("POST", "/predict", 200, ROWS),
    Asked("GET", "/models", 200),
    Asked("GET", "/", 200),
    Asked("POST", "/predict", 400, b"{"),
    Asked("POST", "/jobs", 401, b"{}"),
    Asked("GET", "/nowhere", 404),
    Asked("GET", "/predict", 405),
)
MADE = re.compile(r"[0-9a-f]{32}").fullmatch
SHAPES = {
    "X-Request-ID": re.compile(r"[A-Za-z0-9._-]{1,128}").fullmatch,
    "X-Model-Version": re.compile(r"v\d+|none").fullmatch,
    "Server-Timing": re.compile(r"app;dur=\d+\.\d{3}").fullmatch,
}
Wanted = Callable[[str], object]


def check_headers_are_there(deployment: Deployment) -> Finding:
    """Every answer names request, model version and service time; a well-formed X-Request-ID is taken over."""
    wrong = [problem for asked in OF_EVERY_KIND for problem in _missing(asked, sent(deployment, asked))]
    trials = _trials()
    for what, headers, wanted in trials:
        answered = sent(deployment, Asked("POST", "/predict", 200, ROWS, headers)).headers.get("x-request-id", "")
        if not wanted(answered):
            wrong.append(f"{what}: the answer has X-Request-ID {answered or 'missing'}")
    version = sent(deployment, OF_EVERY_KIND[0]).headers.get("x-model-version", "")
    if not version.startswith("v"):
        wrong.append(f"POST /predict: X-Model-Version {version or 'missing'} names no version")
    tried = len(SHAPES) * len(OF_EVERY_KIND) + len(trials) + 1
    seen = f"{tried - len(wrong)} of {tried} headers as documented" + "".join(f"; {one}" for one in wrong[:3])
    next_step = "look at the same answer of a replica (lab urls), then at the edge's middlewares (traefik/)"
    return verdict(not wrong, seen, next_step, tried=tried, wrong=wrong)


def _missing(asked: Asked, answer: httpx.Response) -> list[str]:
    return [
        f"{asked}: {name} {answer.headers.get(name, 'missing')}"
        for name, fits in SHAPES.items()
        if not fits(answer.headers.get(name, ""))
    ]


def _trials() -> tuple[tuple[str, dict[str, str], Wanted], ...]:
    """Return what is sent, in words and as headers, and what the id of the answer must be."""
    own, trace = f"check-{secrets.token_hex(8)}", secrets.token_hex(16)
    parent = f"00-{trace}-{secrets.token_hex(8)}-01"
    return (
        ("a request with an id", {"X-Request-ID": own}, own.__eq__),
        ("a request with an id and a traceparent", {"X-Request-ID": own, "traceparent": parent}, own.__eq__),
        ("a request with a traceparent", {"traceparent": parent}, trace.__eq__),
        ("a request without an id", {}, MADE),
        ("a request with a malformed id", {"X-Request-ID": '<a "b">'}, MADE),
    )
