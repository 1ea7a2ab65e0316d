"""The access log: nothing waits for it, nothing is lost uncounted."""

import contextlib
import json
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.telemetry.access_log import AccessLog, LogCounters, Record
from app.telemetry.metrics import Counter
from tests.eventually import eventually


def record(number: int = 0, path: str = "/predict") -> Record:
    return Record(1.5, "INFO", "request", "api-1", f"id-{number}", "POST", "/predict", path, 200, 12, "iris", "v1")


def counters() -> LogCounters:
    return LogCounters(Counter(), Counter(), Counter())


def values(fates: LogCounters) -> tuple[int, ...]:
    return tuple(counter.value for counter in fates)


@contextlib.contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    try:
        yield reading, writing
    finally:
        for fd in (reading, writing):
            with contextlib.suppress(OSError):
                os.close(fd)


def test_every_record_is_one_line_of_json_in_order(tmp_path):
    with (tmp_path / "log").open("wb") as sink:
        fates = counters()
        log = AccessLog(sink.fileno(), 10_000, fates, interval=0.001)
        for number in range(2000):
            log.append(record(number))
        log.close()
    lines = [json.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]
    assert [line["request_id"] for line in lines] == [f"id-{number}" for number in range(2000)]
    assert lines[0] == {
        "time": 1.5,
        "level": "INFO",
        "event": "request",
        "replica": "api-1",
        "request_id": "id-0",
        "method": "POST",
        "route": "/predict",
        "path": "/predict",
        "status": 200,
        "duration_us": 12,
        "model": "iris",
        "version": "v1",
    }
    assert values(fates) == (2000, 0, 0)


def test_a_stalled_sink_costs_records_which_are_counted_and_never_the_caller():
    """A pipe that nobody reads takes 64 KiB; what the buffer cannot hold then is dropped, and each drop is counted."""
    with pipe() as (reading, writing):
        fates = counters()
        log = AccessLog(writing, 100, fates, interval=0.001)
        sent = 0

        def dropping() -> bool:
            nonlocal sent
            log.append(record(sent))
            sent += 1
            return fates.dropped.value >= 50

        eventually(dropping, every=0, what="the buffer overflows")
        received = bytearray()
        os.set_blocking(reading, False)

        def drained() -> bool:
            with contextlib.suppress(BlockingIOError):
                received.extend(os.read(reading, 1 << 20))
            return received.count(b"\n") == sent - fates.dropped.value

        eventually(drained, every=0.001, what="all but the dropped records arrive")
        log.close()
        written, dropped, failed = values(fates)
    assert written + dropped == sent
    assert written == received.count(b"\n")
    assert (dropped >= 50, failed) == (True, 0)
    numbers = [int(json.loads(line)["request_id"][3:]) for line in received.splitlines()]
    assert numbers == sorted(set(numbers))


def test_with_room_for_all_nothing_is_dropped():
    """The control of the test above: the same stalled pipe, a larger buffer."""
    with pipe() as (reading, writing):
        fates = counters()
        log = AccessLog(writing, 10_000, fates, interval=0.001)
        for number in range(2000):
            log.append(record(number))
        os.set_blocking(reading, False)
        received = bytearray()

        def drained() -> bool:
            with contextlib.suppress(BlockingIOError):
                received.extend(os.read(reading, 1 << 20))
            return received.count(b"\n") == 2000

        eventually(drained, every=0.001)
        log.close()
    assert values(fates) == (2000, 0, 0)


def test_a_sink_that_refuses_is_counted_as_failed():
    with pipe() as (reading, writing):
        os.close(reading)
        fates = counters()
        log = AccessLog(writing, 100, fates, interval=0.001)
        for number in range(10):
            log.append(record(number))
        eventually(lambda: fates.failed.value == 10)
        log.append(record(10))
        log.close()
    assert values(fates) == (0, 0, 11)


def test_close_does_not_wait_for_ever_for_a_stalled_sink():
    with pipe() as (reading, writing):
        log = AccessLog(writing, 10_000, counters(), interval=0.001)
        for number in range(5000):
            log.append(record(number))
        log.close(within=0.01)
        os.close(reading)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(path=st.text(max_size=300))
def test_any_text_stays_one_line_and_comes_back_unchanged(tmp_path, path):
    file = tmp_path / "log"
    with file.open("wb") as sink:
        log = AccessLog(sink.fileno(), 10, counters(), interval=0.001)
        log.append(record(path=path))
        log.close()
    (line,) = file.read_bytes().splitlines()
    assert json.loads(line)["path"] == path


@pytest.mark.parametrize("path", ["/a\nb", "/a\r\n\x00\x1b[31mred", "/\x85\u2028\u2029", '/"}\n{"event":"request"}'])
def test_control_characters_cannot_forge_a_line(tmp_path, path):
    file = tmp_path / "log"
    with file.open("wb") as sink:
        log = AccessLog(sink.fileno(), 10, counters(), interval=0.001)
        log.append(record(path=path))
        log.close()
    assert file.read_bytes().count(b"\n") == 1
    assert not any(byte < 0x20 for byte in file.read_bytes().rstrip(b"\n"))
