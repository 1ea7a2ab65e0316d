"""Records made of GELF and of the edge's log."""

import json
from typing import Any

import pytest

from app.core.log_records import LogRecord, Maker, NotARecord
from tests.collector_process import encoded, message


def made(fields: dict[str, Any]) -> LogRecord:
    return Maker(41, lambda: 12.5).from_gelf(encoded(fields))


def test_an_access_record_fills_its_columns() -> None:
    assert made(message(3)) == LogRecord(
        42, 1_795_280_058.25, "api-1", 6, "request", "POST /predict 200", "request-3", "POST", "/predict", "/predict",
        200, 431, "iris", "v1", None,
    )  # fmt: skip


def test_what_has_no_column_is_kept_without_the_underscore() -> None:
    record = made(message(_job_id="j1", _offset=7, full_message="Traceback", _score=0.25, _note={"a": [1]}))
    assert record.fields is not None
    assert json.loads(record.fields) == {
        "job_id": "j1", "offset": 7, "full_message": "Traceback", "score": 0.25, "note": {"a": [1]},
    }  # fmt: skip


def test_a_value_that_does_not_fit_its_column_is_kept_among_the_others() -> None:
    odd: dict[str, Any] = {"_status": "abc", "_duration_us": -1, "_model": 5, "level": 99, "timestamp": 1e300}
    record = made(message(**odd, _event=None))
    assert (record.status, record.duration_us, record.model, record.level) == (None, None, None, 1)
    assert (record.time, record.event) == (12.5, "message"), "the clock's"
    assert record.fields is not None
    assert json.loads(record.fields) == {
        "status": "abc", "duration_us": -1, "model": 5, "level": 99, "timestamp": 1e300, "event": None,
    }  # fmt: skip


def test_a_record_without_a_time_has_that_of_its_arrival_and_gelfs_own_level() -> None:
    record = made({"version": "1.1", "host": "h", "short_message": "m"})
    assert record == LogRecord(42, 12.5, "h", 1, "message", "m", *(None,) * 9)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "unreadable"),
        (b"{", "unreadable"),
        (b"[" * 100_000, "unreadable"),
        (b"\xff\xfe", "unreadable"),
        (b'{"version": "1.1", "host": "\\ud800", "short_message": "m"}', "unreadable"),
        (b"[1]", "not-gelf"),
        (b'{"version": "1.1", "host": "h"}', "not-gelf"),
        (b'{"version": "1.1", "host": 5, "short_message": "m"}', "not-gelf"),
        (b'{"version": "2.0", "host": "h", "short_message": "m"}', "not-gelf"),
        (b'{"host": "h", "short_message": "m"}', "not-gelf"),
        (b'{"version": [], "host": "h", "short_message": "m"}', "not-gelf"),
    ],
)
def test_what_is_no_gelf_is_told_apart(data: bytes, reason: str) -> None:
    with pytest.raises(NotARecord) as caught:
        Maker(0, lambda: 0.0).from_gelf(data)
    assert caught.value.reason == reason


ACCESS = {
    "ClientAddr": "127.0.0.1:33950",
    "DownstreamStatus": 200,
    "Duration": 514_213,
    "OriginDuration": 435_953,
    "RequestMethod": "POST",
    "RequestPath": "/predict?x=1",
    "RetryAttempts": 1,
    "ServiceURL": "http://127.0.0.1:18002",
    "StartUTC": "2026-11-21T16:09:15.994762812Z",
    "downstream_X-Request-Id": "given",
    "request_X-Request-Id": "asked",
    "level": "info",
    "msg": "",
    "time": "2026-11-21T16:09:15Z",
}


def from_edge(**changed: Any) -> LogRecord:
    fields = {name: value for name, value in {**ACCESS, **changed}.items() if value is not None}
    return Maker(41, lambda: 12.5).from_edge(encoded(fields))


def test_an_access_record_of_the_edge_has_the_time_of_its_answer() -> None:
    record = from_edge()
    assert record._replace(time=0.0) == LogRecord(
        42, 0.0, "traefik", 6, "edge", "POST /predict?x=1 200", "asked", "POST", None, "/predict?x=1", 200, 514,
        None, None, '{"origin_duration_us":435,"replica_url":"http://127.0.0.1:18002","retries":1}',
    )  # fmt: skip
    assert record.time == pytest.approx(1_795_277_355.994762 + 0.000514, abs=2e-6)


def test_a_request_without_an_id_of_its_own_has_that_of_the_answer() -> None:
    assert from_edge(**{"request_X-Request-Id": None}).request_id == "given"
    neither: dict[str, Any] = {"request_X-Request-Id": "", "downstream_X-Request-Id": None}
    assert from_edge(**neither).request_id is None


def test_a_request_that_no_replica_answered_is_an_error() -> None:
    record = from_edge(DownstreamStatus=502, ServiceURL=None, OriginDuration=None)
    assert (record.status, record.level, record.fields) == (502, 3, '{"retries":1}')


def test_what_the_edge_says_of_itself_is_a_message() -> None:
    line = {"level": "error", "error": "no such file", "time": "2026-11-21T16:09:15Z", "message": "Cannot reload"}
    record = Maker(41, lambda: 12.5).from_edge(encoded(line))
    assert (record.host, record.event, record.level, record.message) == ("traefik", "message", 3, "Cannot reload")
    assert (record.time, record.fields) == (1_795_277_355.0, '{"error":"no such file"}')
