"""Malformed requests to the routes behind an API key, sent with a key that is known."""

from collections.abc import Iterator

from tests.hostile_corpus import BODIES, CELLS, MB, Hostile, rows
from tests.job_service import KEYS
from tests.raw_http import post

KEYED = f"X-API-Key: {KEYS['ana']}"
# Bodies for the routes behind a key, beside those that hurt everywhere.
KEYED_BODIES = {
    "model of 100 KB": b'{"model": "' + b"m" * 100_000 + b'", "data": [[1, 2, 3, 4]]}',
    "null model": b'{"model": null, "data": [[1, 2, 3, 4]]}',
    "model with a null character": b'{"model": "iris\\u0000", "data": [[1, 2, 3, 4]]}',
    "rows of another model": b'{"model": "digits", "data": [[1, 2, 3, 4]]}',
    "nested data": b'{"model": "iris", "data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "data of bad UTF-8": b'{"model": "sentiment", "data": ["\xff"]}',
    "data of cut escapes": b'{"model": "sentiment", "data": ["\\ud800"]}',
    "job up to the limit": b'{"model": "iris", "data": [[1, 2, 3, 4]]}'.ljust(MB),
    "label of an object": b'{"model": "iris", "data": [[1, 2, 3, 4]], "label": {}}',
    "label of 100 KB": b'{"model": "sentiment", "data": ["a"], "label": "' + b"l" * 100_000 + b'"}',
    "label NaN": b'{"model": "diabetes", "data": [[1,2,3,4,5,6,7,8,9,10]], "label": NaN}',
    "label 1e999": b'{"model": "diabetes", "data": [[1,2,3,4,5,6,7,8,9,10]], "label": 1e999}',
    "label of 400 digits": b'{"model": "iris", "data": [[1, 2, 3, 4]], "label": ' + b"9" * 400 + b"}",
    "request id of 100 KB": b'{"request_id": "' + b"r" * 100_000 + b'", "label": 1}',
    "request id with a null character": b'{"request_id": "a\\u0000b", "label": 1}',
    "request id and data": b'{"request_id": "a", "model": "iris", "data": [[1, 2, 3, 4]], "label": 1}',
}
KEYED_HEADERS = {
    "no key": [],
    "empty key": ["X-API-Key:"],
    "key of 60 KB": ["X-API-Key: " + "k" * 60_000],
    "key of high bytes": ["X-API-Key: \xff\xfe"],
    "200 keys": ["X-API-Key: k"] * 200,
    "empty idempotency key": [KEYED, "Idempotency-Key:"],
    "idempotency key of 60 KB": [KEYED, "Idempotency-Key: " + "k" * 60_000],
    "idempotency key of high bytes": [KEYED, "Idempotency-Key: \xff"],
    "idempotency key with a tab": [KEYED, "Idempotency-Key: a\tb"],
    "200 idempotency keys": [KEYED, *["Idempotency-Key: k"] * 200],
}
IDS = (
    "",
    "%00",
    "..%2f..",
    "%ff%fe",
    "*",
    "0" * 31,
    "g" * 32,
    "0" * 60_000,
    "%0d%0aX-A:%20b",
    "job:*",
    "a" * 32 + "%0a",
)


def keyed_corpus() -> Iterator[Hostile]:
    """Yield what could hurt the routes behind an API key, with a key that is known."""
    for path in ("/jobs", "/feedback"):
        for name, body in {**BODIES, **KEYED_BODIES}.items():
            yield Hostile(f"{path}: {name}", post(path, body, KEYED), framed=True)
        for name, lines in KEYED_HEADERS.items():
            yield Hostile(f"{path}: {name}", post(path, b"{}", *lines), framed=False)
        for model, cell in ((model, cell) for model in ("iris", "sentiment") for cell in CELLS):
            body = b'{"model": "%b", %b' % (model.encode(), rows(model, CELLS[cell])[1:])
            yield Hostile(f"{path}, {model}: {cell}", post(path, body, KEYED), framed=True)
    for ident in IDS:
        request = f"GET /jobs/{ident} HTTP/1.1\r\nHost: lab\r\n{KEYED}\r\n\r\n".encode()
        yield Hostile(f"job {ident[:40]}", request, framed=False)
