"""Malformed requests made from the OpenAPI document by schemathesis, and what random changes make of them."""

import json
import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.hostile_corpus import Hostile
from tests.raw_http import post
from tests.sample_rows import ROWS, tensor

# Pieces that mutations put into bodies.
_BITS = (b"[", b"]", b"{", b"}", b'"', b",", b":", b"\\", b"\\ud800", b"\x00", b"\xff", b"NaN", b"1e999", b"-", b"null")


def generated(document: dict[str, Any], examples: int) -> list[Hostile]:
    """Return requests for every operation, as the document wants them and not, `examples` for each of its targets.

    Operations on a model are asked with known names, and with generated ones.
    """
    found: list[Hostile] = []
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = result.ok()
        modes = [schemathesis.GenerationMode.POSITIVE]
        if operation.method == "post":
            modes.append(schemathesis.GenerationMode.NEGATIVE)
        for parameters in targets(operation.path):
            for mode in modes:
                strategy = operation.as_strategy(generation_mode=mode, path_parameters=parameters)
                found += [sent(case) for case in drawn(strategy, examples)]
    return found


def targets(path: str) -> Iterator[dict[str, str] | None]:
    """Yield path parameters: none (schemathesis makes them up), and those of each model that is served."""
    yield None
    if "{model}" in path:
        for model in ROWS:
            yield {"model": model} | ({"version": "v1"} if "{version}" in path else {})


def drawn(strategy: Any, examples: int) -> list[Any]:
    """Return up to `examples` values of a strategy, the same ones in each run."""
    values: list[Any] = []

    @seed(20261121)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: Any) -> None:
        values.append(value)

    collect()
    return values


def sent(case: Any) -> Hostile:
    """Return the bytes that schemathesis itself would send for a case."""
    wanted = {"method", "url", "headers", "params", "data", "json", "cookies"}
    arguments = case.as_transport_kwargs(base_url="http://lab")
    prepared = requests.Request(**{key: value for key, value in arguments.items() if key in wanted}).prepare()
    url = urlsplit(prepared.url)
    target = f"{url.path or '/'}{'?' + url.query if url.query else ''}"
    body = prepared.body or b""
    data = body.encode() if isinstance(body, str) else bytes(body)
    headers = [(name, value) for name, value in prepared.headers.items() if name.lower() != "content-length"]
    lines = [f"{name}: {value if isinstance(value, str) else value.decode('latin-1')}" for name, value in headers]
    request = post(target, data, *lines).replace(b"POST", case.method.encode(), 1)
    return Hostile(f"schemathesis: {case.method} {target[:80]}", request, framed=False)


def valid_bodies() -> list[tuple[str, bytes]]:
    """Return well-formed requests of every predict route: path and body."""
    plain = [(f"/models/{model}/predict", {"data": [row] * 2}) for model, row in ROWS.items()]
    infer = [
        (f"/v2/models/{model}/infer", {"id": "a", "inputs": [tensor(model, 2)], "outputs": [{"name": "result"}]})
        for model in ROWS
    ]
    return [(path, json.dumps(document).encode()) for path, document in [*plain, *infer]]


def mutated(count: int) -> Iterator[Hostile]:
    """Yield valid requests with one to four random changes of their bodies, the same ones in each run."""
    dice = random.Random(20261121)
    bodies = valid_bodies()
    for number in range(count):
        path, body = bodies[number % len(bodies)]
        for _ in range(dice.randrange(1, 5)):
            body = changed(body, dice)
        yield Hostile(f"mutation {number} of {path}", post(path, body), framed=True)


def changed(body: bytes, dice: random.Random) -> bytes:  # noqa: PLR0911  (one return a kind of change)
    """Return a body with one change: bytes flipped, put in, taken out, repeated, moved or cut off."""
    at, other = sorted(dice.randrange(len(body) + 1) for _ in range(2))
    match dice.randrange(7):
        case 0:
            return body[:at] + bytes([dice.randrange(256)]) + body[at + 1 :]
        case 1:
            return body[:at] + dice.choice(_BITS) + body[at:]
        case 2:
            return body[:at] + body[other:]
        case 3:
            return body[:other] + body[at:other] * dice.randrange(1, 50) + body[other:]
        case 4:
            return body[:at]
        case 5:
            return body[:at] + dice.choice(_BITS) * dice.randrange(1, 300) + body[other:]
        case _:
            return body[other:] + body[at:other] + body[:at]
