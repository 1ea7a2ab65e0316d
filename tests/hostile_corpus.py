"""Malformed requests: bodies and raw bytes that broke some server once, or would break a careless handler.

Names say what is wrong with each; nothing here is random.
"""

import json
from collections.abc import Iterator
from typing import NamedTuple

from tests.raw_http import chunked, post
from tests.sample_rows import NUMBERS, ROWS, TEXT

MB = 1 << 20


class Hostile(NamedTuple):
    """Bytes to send on a connection; `framed`: well-formed HTTP, so that there must be an answer."""

    name: str
    data: bytes
    framed: bool


def rows(model: str, cell: str, count: int = 1) -> bytes:
    """Return a plain body whose rows have `cell` in every place."""
    row = cell if model in TEXT else "[" + ",".join([cell] * len(NUMBERS[model])) + "]"
    return b'{"data": [' + ",".join([row] * count).encode("utf-8", "surrogatepass") + b"]}"


CELLS = {
    "NaN": "NaN",
    "Infinity": "Infinity",
    "minus Infinity": "-Infinity",
    "1e999": "1e999",
    "-1e999": "-1e999",
    "1e308": "1e308",
    "-1e308": "-1e308",
    "smallest number": "5e-324",
    "minus zero": "-0.0",
    "5,000 digits": "9" * 5000,
    "5,000 decimals": "0." + "9" * 5000,
    "exponent of 5,000 digits": "1e" + "9" * 5000,
    "hexadecimal": "0x10",
    "leading zero": "007",
    "plus sign": "+1",
    "underscore": "1_000",
    "2**63": str(2**63),
    "2**64": str(2**64),
    "10**400": str(10**400),
    "null": "null",
    "true": "true",
    "object": "{}",
    "empty array": "[]",
    "number as text": '"1"',
    "empty text": '""',
    "lone high surrogate": '"\\ud800"',
    "lone low surrogate": '"\\udc00"',
    "surrogates the wrong way round": '"\\udc00\\ud800"',
    "null character": '"\\u0000"',
    "all control characters": '"' + "".join(f"\\u{code:04x}" for code in range(32)) + '"',
    "raw control character": '"\x01"',
    "bad escape": '"\\x41"',
    "cut escape": '"\\u12"',
    "right-to-left override": '"\u202e\u2066abc\u2069"',
    "combining marks": '"e' + "\u0301" * 5000 + '"',
    "noncharacter": '"\uffff\ufdd0"',
    "64 KB text": '"' + "a" * 65536 + '"',
    "64 KB of blanks": '"' + " " * 65536 + '"',
    "64 KB of words": '"' + "no bueno, pero " * 4300 + '"',
    "script": '"<script>alert(1)</script>"',
    "format string": '"%s%n{0.__class__}${jndi:ldap://x}"',
}

BODIES = {
    "empty": b"",
    "blank": b" \n\t ",
    "byte order mark": b"\xef\xbb\xbf{}",
    "bad UTF-8": b'{"data": ["\xff\xfe"]}',
    "overlong UTF-8": b'{"data": ["\xc0\xaf"]}',
    "surrogate in UTF-8": b'{"data": ["\xed\xa0\x80"]}',
    "UTF-16": json.dumps({"data": [[1, 2, 3, 4]]}).encode("utf-16"),
    "null bytes": b"\x00" * 100,
    "all bytes": bytes(range(256)),
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    "form": b"data=1&data=2",
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c\x06system\x94\x93\x94.",
    "cut": b'{"data": [[1, 2',
    "trailing comma": b'{"data": [[1, 2, 3, 4],]}',
    "two documents": b'{"data": [[1, 2, 3, 4]]}{"data": [[1, 2, 3, 4]]}',
    "comment": b'{"data": [[1, 2, 3, 4]]} // done',
    "null": b"null",
    "true": b"true",
    "number": b"1",
    "text": b'"data"',
    "array": b"[]",
    "object": b"{}",
    "null data": b'{"data": null, "inputs": null}',
    "text data": b'{"data": "abc", "inputs": "abc"}',
    "number data": b'{"data": 1e3, "inputs": 1e3}',
    "object data": b'{"data": {"0": [1]}, "inputs": {"0": [1]}}',
    "no rows": b'{"data": [], "inputs": []}',
    "empty row": b'{"data": [[]], "inputs": [[]]}',
    "ragged rows": b'{"data": [[1, 2, 3, 4], [1], []]}',
    "nested rows": b'{"data": [[[1, 2, 3, 4]]]}',
    "mixed rows": b'{"data": [[1, 2, 3, 4], "a", null, {}]}',
    "data twice": b'{"data": [[1, 2, 3, 4]], "data": 1}',
    "unknown field": b'{"data": [[1, 2, 3, 4]], "__proto__": {"a": 1}}',
    "key of 100 KB": b'{"' + b"k" * 100_000 + b'": 1}',
    "100,000 keys": b"{" + b",".join(b'"%d":1' % number for number in range(80_000)) + b"}",
    "100,000 open arrays": b"[" * 100_000,
    "100,000 nested arrays": b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "100,000 nested objects": b'{"data": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
    "900 nested arrays": b'{"data": ' + b"[" * 900 + b"]" * 900 + b"}",
    "number of 900 KB": b'{"data": [[' + b"1" * 900_000 + b"]]}",
    "1,025 rows": rows("iris", "1", 1025),
    "40,000 rows": rows("iris", "1", 40_000),
    "200,000 empty rows": b'{"data": [' + b"[]," * 200_000 + b"[]]}",
    "blanks up to the limit": b'{"data": [[1, 2, 3, 4]]}'.ljust(MB),
    "one byte over the limit": b'{"data": [[1, 2, 3, 4]]}'.ljust(MB + 1),
    "just under the limit": b'{"data": ["' + b"a" * (MB - 14) + b'"]}',
    "escapes up to the limit": b'{"data": ["' + b"\\u00e9" * (MB // 6 - 4) + b'"]}',
}


def tensor(**changes: object) -> bytes:
    """Return an inference request for iris with some fields of its tensor replaced (None: left out)."""
    fields = {"name": "input", "shape": [1, 4], "datatype": "FP64", "data": [1, 2, 3, 4]} | changes
    return json.dumps({"inputs": [{key: value for key, value in fields.items() if value is not None}]}).encode()


TENSORS = {
    "no shape": tensor(shape=None),
    "empty shape": tensor(shape=[]),
    "no rows": tensor(shape=[0, 4], data=[]),
    "negative shape": tensor(shape=[-1, 4]),
    "negative both": tensor(shape=[-1, -4]),
    "huge shape": tensor(shape=[2**62, 4]),
    "shape of 4,000 digits": tensor(shape=[1, 4]).replace(b"[1, 4]", b"[" + b"9" * 4000 + b", 4]"),
    "shape of 5,000 digits": tensor(shape=[1, 4]).replace(b"[1, 4]", b"[" + b"9" * 5000 + b", 4]"),
    "shape of 100,000 numbers": tensor(shape=[1] * 100_000),
    "float shape": tensor(shape=[1.0, 4.0]),
    "text shape": tensor(shape=["1", "4"]),
    "wrong product": tensor(shape=[3, 4]),
    "unknown datatype": tensor(datatype="FP128"),
    "datatype of 100 KB": tensor(datatype="X" * 100_000),
    "null datatype": tensor(datatype=None),
    "texts as numbers": tensor(data=["1", "2", "3", "4"]),
    "bytes for numbers": tensor(datatype="BYTES", data=["a"], shape=[1]),
    "nulls": tensor(data=[None] * 4),
    "huge numbers": tensor(data=[10**400] * 4),
    "objects": tensor(data=[{}] * 4),
    "uneven nesting": tensor(data=[[1, 2], 3, [4]]),
    "deep nesting": tensor(data=[[[[[1]]]]]),
    "deep parameters": tensor().replace(
        b'"name"', b'"parameters": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b', "name"'
    ),
    "binary extension": tensor(data=None, parameters={"binary_data_size": 32}),
    "two inputs": b'{"inputs": [{}, {}]}',
    "10,000 inputs": b'{"inputs": [' + b"{}," * 10_000 + b"{}]}",
    "id of 500 KB": tensor()[:-1] + b', "id": "' + b"i" * 500_000 + b'"}',
    "number as id": tensor()[:-1] + b', "id": 1}',
    "unknown output": tensor()[:-1] + b', "outputs": [{"name": "' + b"o" * 100_000 + b'"}]}',
    "100,000 outputs": tensor()[:-1] + b', "outputs": [' + b'{"name": "result"},' * 40_000 + b'{"name": "result"}]}',
}

PATHS = {
    "null byte": "/%00",
    "null byte in a name": "/models/iris%00/predict",
    "bad percent": "/%zz%",
    "bad UTF-8": "/models/%ff%fe/predict",
    "line break": "/models/%0d%0aSet-Cookie:%20a=b/predict",
    "escape sequence": "/%1b%5b31m",
    "parents": "/../../../etc/passwd",
    "encoded parents": "/models/..%2f..%2f..%2fetc%2fpasswd",
    "60 KB": "/" + "a" * 60_000,
    "60 KB name": "/models/" + "a" * 60_000,
    "60 KB query": "/models?" + "a=b&" * 15_000,
    "10,000 segments": "/a" * 10_000,
    "template": "/models/%7Bmodel%7D/predict",
    "format": "/models/%25s%25n/predict",
    "absolute": "http://elsewhere.example/predict",
    "double slash": "//predict",
    "dot": "/./predict",
    "fragment": "/predict#x",
}

HEADERS = {
    "id of 60 KB": ["X-Request-ID: " + "a" * 60_000],
    "id with a tab": ["X-Request-ID: a\tb"],
    "id with quotes": ['X-Request-ID: "; DROP TABLE'],
    "id of high bytes": ["X-Request-ID: \xff\xfe"],
    "200 ids": ["X-Request-ID: a"] * 200,
    "bad traceparent": ["traceparent: 00-" + "z" * 32 + "-" + "z" * 16 + "-zz"],
    "3,000 header lines": [f"X-{number}: a" for number in range(3000)],
    "3,000 equal lines": ["A: b"] * 3000,
    "empty values": ["X-A:", "X-B: ", "Accept:"],
    "gzip that is none": ["Content-Encoding: gzip"],
    "another type": ["Content-Type: application/x-www-form-urlencoded"],
    "type of nonsense": ["Content-Type: ;;;=\xff"],
    "unknown character set": ["Content-Type: application/json; charset=klingon"],
    "upgrade": ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13"],
    "HTTP/2 upgrade": ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: x"],
    "range": ["Range: bytes=0-,0-,0-,0-"],
    "conditional": ["If-Match: *", "If-Modified-Since: yesterday"],
    "cookies": ["Cookie: " + "a=b; " * 1000],
    "authorization": ["Authorization: Basic !!!!"],
    "expectation": ["Expect: 200-ok"],
    "forwarded": ["X-Forwarded-For: ' OR 1=1", 'Forwarded: for="_gazonk"', "X-Forwarded-Host: evil"],
    "override": ["X-HTTP-Method-Override: DELETE"],
}

_HEAD = b"POST /predict HTTP/1.1\r\nHost: lab\r\n"
_BODY = b'{"data": [[1, 2, 3, 4]]}'
RAW = {
    "nothing": b"",
    "one byte": b"P",
    "line breaks": b"\r\n" * 1000,
    "text": b"hello\r\n\r\n",
    "all bytes": bytes(range(256)) * 10,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "unknown version": b"GET / HTTP/3.7\r\nHost: lab\r\n\r\n",
    "unknown method": b"BREW / HTTP/1.1\r\nHost: lab\r\n\r\n",
    "lower-case method": b"get / HTTP/1.1\r\nHost: lab\r\n\r\n",
    "method of 60 KB": b"A" * 60_000 + b" / HTTP/1.1\r\n\r\n",
    "connect": b"CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: lab\r\n\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: lab\r\n\r\n",
    "no path": b"GET  HTTP/1.1\r\nHost: lab\r\n\r\n",
    "blank in the path": b"GET /a b HTTP/1.1\r\nHost: lab\r\n\r\n",
    "raw null byte in the path": b"GET /\x00 HTTP/1.1\r\nHost: lab\r\n\r\n",
    "raw high bytes in the path": b"GET /\xff\xfe HTTP/1.1\r\nHost: lab\r\n\r\n",
    "raw null byte in a header": _HEAD + b"X-A: a\x00b\r\n\r\n",
    "header without a colon": _HEAD + b"nonsense\r\n\r\n",
    "header without a name": _HEAD + b": a\r\n\r\n",
    "blank before the colon": _HEAD + b"X-A : a\r\n\r\n",
    "folded header": _HEAD + b"X-A: a\r\n b\r\n\r\n",
    "bare line feeds": b"POST /predict HTTP/1.1\nHost: lab\nContent-Length: 24\n\n" + _BODY,
    "bare carriage return": _HEAD + b"X-A: a\rX-B: b\r\n\r\n",
    "length of nonsense": _HEAD + b"Content-Length: many\r\n\r\n" + _BODY,
    "negative length": _HEAD + b"Content-Length: -1\r\n\r\n" + _BODY,
    "signed length": _HEAD + b"Content-Length: +24\r\n\r\n" + _BODY,
    "length of 5,000 digits": _HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n" + _BODY,
    "length over 64 bits": _HEAD + b"Content-Length: 99999999999999999999\r\n\r\n" + _BODY,
    "length of 63 bits": _HEAD + b"Content-Length: 9223372036854775807\r\n\r\n" + _BODY,
    "two lengths": _HEAD + b"Content-Length: 24\r\nContent-Length: 3\r\n\r\n" + _BODY,
    "length and chunks": _HEAD + b"Content-Length: 24\r\nTransfer-Encoding: chunked\r\n\r\n" + _BODY,
    "length too short": _HEAD + b"Content-Length: 5\r\n\r\n" + _BODY,
    "length too long": _HEAD + b"Content-Length: 99\r\n\r\n" + _BODY,
    "unknown encoding": _HEAD + b"Transfer-Encoding: magic\r\n\r\n" + _BODY,
    "chunked twice": _HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunk of nonsense": _HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    "negative chunk": _HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n",
    "chunk over 64 bits": _HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc",
    "chunk of 15 digits": _HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\nabc",
    "chunk too long": _HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
    "chunk extension": _HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;" + b"a" * 10_000 + b"\r\n{}\r\n0\r\n\r\n",
    "trailers": _HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n",
    "a second request inside": post("/nope", b"") + b"GET /predict HTTP/1.1\r\nHost: lab\r\n\r\nGARBAGE",
    "garbage after a request": post("/predict", _BODY) + b"\x00\x01\x02\x03",
    "head of 1 MB": _HEAD + b"X-A: " + b"a" * MB,
    "head of 20,000 lines": _HEAD + b"X-A: b\r\n" * 20_000,
    "path of 1 MB": b"GET /" + b"a" * MB,
}


def corpus() -> Iterator[Hostile]:
    """Yield the whole corpus, each body for every endpoint that it could hurt."""
    plain = {model: f"/models/{model}/predict" for model in ROWS}
    infer = [f"/v2/models/{model}/infer" for model in ROWS]
    for model, path in plain.items():
        for name, cell in CELLS.items():
            yield Hostile(f"{model}: {name}", post(path, rows(model, cell)), framed=True)
            yield Hostile(f"{model}: 20 x {name}", post(path, rows(model, cell, 20)[:MB]), framed=True)
    for path in [*plain.values(), *infer, "/models/oak/predict", "/healthz"]:
        for name, body in BODIES.items():
            yield Hostile(f"{path}: {name}", post(path, body), framed=True)
            yield Hostile(f"{path}: {name} in chunks", chunked(path, *pieces(body)), framed=True)
    for path in infer:
        for name, body in TENSORS.items():
            yield Hostile(f"{path}: {name}", post(path, body), framed=True)
    for name, path in PATHS.items():
        for method in ("GET", "POST", "DELETE"):
            request = f"{method} {path} HTTP/1.1\r\nHost: lab\r\n\r\n".encode()
            yield Hostile(f"path {name}, {method}", request, framed=False)
    for name, lines in HEADERS.items():
        for path in ("/predict", "/nope", "/models/sentiment/predict"):
            yield Hostile(f"{path}: {name}", post(path, _BODY, *lines), framed=False)
    for name, data in RAW.items():
        yield Hostile(f"raw {name}", data, framed=False)


def pieces(body: bytes) -> list[bytes]:
    """Cut a body into chunks, the first of one byte."""
    size = max(1, len(body) // 5)
    return [part for part in [body[:1], *(body[start : start + size] for start in range(1, len(body), size))] if part]
