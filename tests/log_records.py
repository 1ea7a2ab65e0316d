"""Log records of every kind, and what each query must find among them: the same for every store."""

import json
from typing import Any, NamedTuple

from app.core.log_records import LogRecord, Maker

BEGIN = 1_780_000_000.0
"""The time of the first record; the others follow one second apart."""
SECONDS = 14


class Case(NamedTuple):
    query: str
    finds: str
    """The names of the records, in their order."""


def gelf(name: str, message: str, host: str = "api-1", level: int = 6, **more: Any) -> dict[str, Any]:
    """Return a GELF message, named by its field `name`; its time is the place of its letter in the alphabet."""
    fields = {f"_{key}": value for key, value in more.items()}
    return {"version": "1.1", "host": host, "short_message": message, "level": level,
            "timestamp": BEGIN + ord(name) - ord("a"), "_name": name, **fields}  # fmt: skip


def _request(name: str, status: int, model: str | None, duration_us: int, **more: Any) -> dict[str, Any]:
    route = "/models/{model}/predict" if model else "/predict"
    path = route.replace("{model}", model or "")
    facts = {"event": "request", "method": "POST", "route": route, "path": path, "status": status, **more}
    facts |= {"model": model, "model_version": "v1"} if model else {}
    level = 3 if status >= 500 else 6
    return gelf(name, f"POST {path} {status}", level=level, duration_us=duration_us, **facts)


MESSAGES = (
    _request("a", 200, "forest", 50_000, request_id="run1-000000000001"),
    _request("b", 500, "forest", 1_200, request_id="run1-000000000002"),
    _request("c", 503, "digits", 90, request_id="run1-000000000003", host="api-2"),
    _request("d", 200, None, 49_999, request_id="run2-000000000001"),
    _request("e", 200, "forest", 10**12, request_id="RUN1-000000000001"),
    gelf("f", "could not connect to redis: Connection refused", level=3, event="message", logger="app.redis"),
    gelf("g", "connect could not", event="message", logger="app.kafka", full_message='Trace "back"\n% _ * \\'),
    gelf("h", "job done", "worker-1", event="job", request_id="run1-000000000004", job_id="job-1", client="me",
         outcome="done", topic="jobs", partition=0, offset=41, wait_ms=12, duration_us=700, model="iris"),
    gelf("i", "job failed", "worker-1", event="job", request_id="run1-000000000005", job_id="job-10", client="you",
         outcome="failed", topic="jobs", partition=2, offset=7, wait_ms=1200.5, duration_us=800, model="iris"),
    gelf("j", "GET /predict 404", "traefik", event="edge", method="GET", path="/predict", status=404,
         request_id="run2-000000000002", duration_us=300, retries=1, replica_url="http://127.0.0.1:18001"),
    gelf("k", "worker app.worker_loop ended; it's over", "worker-1", event="message", logger="app.worker"),
    gelf("l", "Predicción del señor Ñandú: 1,000 filas", event="message", logger="x'; DROP TABLE records; --"),
    gelf("m", "status is a text here", event="message", status="500", partition="0", odd_number=3, odd_real=2.5),
    gelf("n", "POST /predict", level=7, event="message", request_id="a b:c(d)", model="", verdict=""),
)  # fmt: skip

CASES = (
    Case("", "abcdefghijklmn"),
    Case("*", "abcdefghijklmn"),
    # Text fields, exactly and by their beginning; upper and lower case differ.
    Case("model:forest", "abe"),
    Case("model:fore", ""),
    Case("model:FOREST", ""),
    Case("model:for*", "abe"),
    Case("event:request", "abcde"),
    Case("host:api-2 OR host:traefik", "cj"),
    Case("method:GET", "j"),
    Case("model_version:v1", "abce"),
    Case("path:/predict", "dj"),
    Case("path:/models/*", "abce"),
    Case("route:/models/{model}/predict", "abce"),
    Case('route:"/models/{model}/predict"', "abce"),
    # Request ids: whole, by their beginning, in any form that a client may choose.
    Case("request_id:run1-000000000001", "a"),
    Case("request_id:RUN1-000000000001", "e"),
    Case("request_id:000000000001", ""),
    Case("request_id:run1-*", "abchi"),
    Case("request_id:run*", "abcdhij"),
    Case("request_id:run1-00000000000*", "abchi"),
    Case("request_id:R*", "e"),
    Case('request_id:"a b:c(d)"', "n"),
    Case('request_id:"a b:"*', "n"),
    Case('request_id:"-"*', ""),
    Case("request_id:*", "abcdehijn"),
    Case("NOT request_id:*", "fgklm"),
    # A field that is there and empty says no more than one that is not there.
    Case("model:*", "abcehi"),
    Case('model:""', "n"),
    Case("verdict:*", ""),
    Case("message:*", "abcdefghijklmn"),
    # Numbers.
    Case("status:500", "b"),
    Case("status:500.0", "b"),
    Case("status:500.5", ""),
    Case("status:>=500", "bc"),
    Case("status:>500", "c"),
    Case("status:<404", "ade"),
    Case("status:<=404", "adej"),
    Case("status:[400 TO 500]", "bj"),
    Case("status:[* TO 200]", "ade"),
    Case("status:[501 TO *]", "c"),
    Case("status:[* TO *]", "abcdej"),
    Case("status:[600 TO 100]", ""),
    Case("status:-1", ""),
    Case("status:>99999999999", ""),
    Case("status:<99999999999", "abcdej"),
    Case("status:>=499.5", "bc"),
    Case("duration_us:>=50000", "ae"),
    Case("duration_us:>49999.5", "ae"),
    Case("level:<=3", "bcf"),
    # What has no column of its own.
    Case("job_id:job-1", "h"),
    Case("job_id:job-1*", "hi"),
    Case("job_id:*", "hi"),
    Case("outcome:failed", "i"),
    Case("client:me OR client:you", "hi"),
    Case("logger:app.worker", "k"),
    Case("logger:app.*", "fgk"),
    Case("topic:jobs AND partition:2", "i"),
    Case("offset:>=7 AND offset:<41", "i"),
    Case("wait_ms:>12", "i"),
    Case("wait_ms:1200.5", "i"),
    Case("wait_ms:12", "h"),
    Case("partition:0", "hm"),
    Case("partition:*", "him"),
    Case("retries:1", "j"),
    Case("replica_url:http://127.0.0.1:18001", "j"),
    Case("name:a OR name:n", "an"),
    Case("odd_number:3", "m"),
    Case("odd_real:2.5", "m"),
    Case("nothing_has_this:1", ""),
    Case("NOT nothing_has_this:1 AND model:iris", "hi"),
    # Words of the message.
    Case("refused", "f"),
    Case("REFUSED", "f"),
    Case("refuse", ""),
    Case("refuse*", "f"),
    Case('"could not connect"', "f"),
    Case('"connect could not"', "g"),
    Case('"not could"', ""),
    Case("message:redis", "f"),
    Case('message:"connection REFUSED"', "f"),
    Case("message:conn*", "fg"),
    Case("could AND NOT refused", "g"),
    Case("/predict", "abcdejn"),
    Case('"POST /predict"', "dn"),
    Case("post AND 404", ""),
    Case("worker", "k"),
    Case("app", "k"),
    Case("worker_loop", "k"),
    Case('"app.worker_loop ended"', "k"),
    Case("it's", "k"),
    Case("ended", "k"),
    Case('"redis connection refused"', "f"),
    Case('"to redis: Connection"', "f"),
    Case('"could not connect to redis connection"', "f"),
    Case('"loop ended it s"', "k"),
    Case('"s over"', "k"),
    Case('"worker app worker loop ended it"', "k"),
    Case('"app loop"', ""),
    Case("predicción", "l"),
    Case("PREDICCIÓN", "l"),
    Case("prediccion", ""),
    Case("ñan*", "l"),
    Case("000", "l"),
    Case("forest", "abe"),
    # Several.
    Case("status:500 AND model:forest", "b"),
    Case("status:500 OR status:503 AND model:forest", "b"),
    Case("(status:500 OR status:503) AND NOT model:forest", "c"),
    Case("NOT (event:request OR event:message)", "hij"),
    Case("NOT NOT model:digits", "c"),
    Case("NOT status:200", "bcfghijklmn"),
    Case("NOT model:forest AND event:request", "cd"),
    Case("NOT status:>=500 AND event:request", "ade"),
    # What must mean nothing but itself.
    Case("logger:\"x'; DROP TABLE records; --\"", "l"),
    Case('full_message:"Trace \\"back\\"\n% _ * \\\\"', "g"),
    Case('model:"for*"', ""),
    Case('path:"%"*', ""),
    Case('model:"_orest"', ""),
    Case("host:api-1' OR model:forest", "abe"),
)  # fmt: skip


def records() -> list[LogRecord]:
    """Return the records as the collector makes them of what it receives."""
    maker = Maker(int(BEGIN * 1e6), lambda: BEGIN)
    return [maker.from_gelf(json.dumps(one).encode()) for one in MESSAGES]


def names(found: list[Any]) -> str:
    return "".join(record.fields["name"] for record in found)
