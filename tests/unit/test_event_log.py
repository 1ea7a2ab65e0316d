"""The log of events: nothing waits for it, nothing is lost uncounted, no sink stops another."""

import contextlib
import json
import os
import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.telemetry.event_log import EventLog
from app.telemetry.events import Request, encode
from app.telemetry.gelf_udp import GelfUdp
from app.telemetry.log_sinks import Fates, Lines, Pace, Sink
from app.telemetry.metrics import Counter
from tests.eventually import eventually


def record(number: int = 0, path: str = "/predict") -> Request:
    who = ("1.1", "api-1", f"POST {path} 200", 1.5, 6, f"id-{number}")
    return Request(*who, "POST", "/predict", path, 200, 12, "iris", "v1")


class Counted(Fates):
    """Fates that can be looked at: (written, dropped, failed)."""

    def __init__(self) -> None:
        self.counters = (Counter(), Counter(), Counter())
        super().__init__(*self.counters)

    @property
    def values(self) -> tuple[int, ...]:
        return tuple(counter.value for counter in self.counters)


class Lined(EventLog):
    """A log with one sink, lines to a file descriptor."""

    def __init__(self, fd: int, capacity: int, fates: Counted) -> None:
        self.sink = Sink("lines", Lines(fd), capacity, fates, interval=0.001)
        super().__init__([self.sink])

    def close(self, within: float = 2.0) -> None:
        self.sink.close(within)


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
        fates = Counted()
        log = Lined(sink.fileno(), 10_000, fates)
        for number in range(2000):
            log.append(record(number))
        log.close()
    lines = [json.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]
    assert [line["_request_id"] for line in lines] == [f"id-{number}" for number in range(2000)]
    assert lines[0] == {
        "_event": "request",
        "version": "1.1",
        "host": "api-1",
        "short_message": "POST /predict 200",
        "timestamp": 1.5,
        "level": 6,
        "_request_id": "id-0",
        "_method": "POST",
        "_route": "/predict",
        "_path": "/predict",
        "_status": 200,
        "_duration_us": 12,
        "_model": "iris",
        "_model_version": "v1",
    }
    assert fates.values == (2000, 0, 0)


def test_a_stalled_sink_costs_records_which_are_counted_and_never_the_caller():
    """A pipe that nobody reads takes 64 KiB; what the buffer cannot hold then is dropped, and each drop is counted."""
    with pipe() as (reading, writing):
        fates = Counted()
        log = Lined(writing, 100, fates)
        sent = 0

        def dropping() -> bool:
            nonlocal sent
            log.append(record(sent))
            sent += 1
            return fates.values[1] >= 50

        eventually(dropping, every=0, what="the buffer overflows")
        received = bytearray()
        os.set_blocking(reading, False)

        def drained() -> bool:
            with contextlib.suppress(BlockingIOError):
                received.extend(os.read(reading, 1 << 20))
            return received.count(b"\n") == sent - fates.values[1]

        eventually(drained, every=0.001, what="all but the dropped records arrive")
        log.close()
        written, dropped, failed = fates.values
    assert written + dropped == sent
    assert written == received.count(b"\n")
    assert (dropped >= 50, failed) == (True, 0)
    numbers = [int(json.loads(line)["_request_id"][3:]) for line in received.splitlines()]
    assert numbers == sorted(set(numbers))


def test_with_room_for_all_nothing_is_dropped():
    """The control of the test above: the same stalled pipe, a larger buffer."""
    with pipe() as (reading, writing):
        fates = Counted()
        log = Lined(writing, 10_000, fates)
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
    assert fates.values == (2000, 0, 0)


def test_a_sink_that_refuses_is_counted_as_failed():
    with pipe() as (reading, writing):
        os.close(reading)
        fates = Counted()
        log = Lined(writing, 100, fates)
        for number in range(10):
            log.append(record(number))
        eventually(lambda: fates.values[2] == 10)
        log.append(record(10))
        log.close()
    assert fates.values == (0, 0, 11)


def test_close_does_not_wait_for_ever_for_a_stalled_sink():
    with pipe() as (reading, writing):
        log = Lined(writing, 10_000, Counted())
        for number in range(5000):
            log.append(record(number))
        log.close(within=0.01)
        os.close(reading)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(path=st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_any_text_stays_one_line_and_comes_back_unchanged(tmp_path, path):
    file = tmp_path / "log"
    with file.open("wb") as sink:
        log = Lined(sink.fileno(), 10, Counted())
        log.append(record(path=path))
        log.close()
    (line,) = file.read_bytes().splitlines()
    assert json.loads(line)["_path"] == path


@pytest.mark.parametrize("path", ["/a\nb", "/a\r\n\x00\x1b[31mred", "/\x85\u2028\u2029", '/"}\n{"event":"request"}'])
def test_control_characters_cannot_forge_a_line(tmp_path, path):
    file = tmp_path / "log"
    with file.open("wb") as sink:
        log = Lined(sink.fileno(), 10, Counted())
        log.append(record(path=path))
        log.close()
    assert file.read_bytes().count(b"\n") == 1
    assert not any(byte < 0x20 for byte in file.read_bytes().rstrip(b"\n"))


def test_what_utf_8_cannot_express_is_shown_as_its_escape():
    assert json.loads(encode(record(path="/a\ud800b")))["_path"] == "/a\\ud800b"


class Kept:
    """An Outlet into memory; while it is `shut` a write does not return."""

    pace = Pace(most=10, usual=10, shortest=0.0001)

    def __init__(self) -> None:
        self.records: list[bytes] = []
        self.opened = threading.Event()
        self.opened.set()

    def write(self, records: list[bytes]) -> int:
        assert self.opened.wait(30)
        self.records += records
        return len(records)

    def close(self) -> None:
        self.records.append(b"closed")


@pytest.mark.parametrize("stalled", [0, 1])
def test_a_stalled_sink_stops_no_other(stalled):
    """Both get the same bytes; one stands still, and the other one has all of it none the later."""
    outlets, fates = [Kept(), Kept()], [Counted(), Counted()]
    outlets[stalled].opened.clear()
    sinks = [Sink("kept", *parts, interval=0.001) for parts in zip(outlets, [100, 100], fates, strict=True)]
    log = EventLog(sinks)
    for number in range(1000):
        log.append(record(number))
        if number % 50 == 0:
            eventually(lambda number=number: sum(fates[1 - stalled].values) == number + 1, every=0.0001)
    sinks[1 - stalled].close()
    assert fates[1 - stalled].values == (1000, 0, 0)
    assert outlets[1 - stalled].records.pop() == b"closed"
    assert fates[stalled].values[1] >= 890  # one turn in hand, and a full buffer
    outlets[stalled].opened.set()
    sinks[stalled].close()
    written, dropped, failed = fates[stalled].values
    assert (written + dropped, failed) == (1000, 0)
    assert len(outlets[stalled].records[:-1]) == written
    assert set(outlets[stalled].records[:-1]) <= set(outlets[1 - stalled].records)


def test_lines_written_before_a_sink_refuses_are_no_failures(tmp_path):
    """A file that may not grow beyond a few lines takes those."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)  # full, it refuses instead of stalling
    lines = [b"x" * 1000] * 200
    written = Lines(writing).write(lines)
    os.close(writing)
    assert os.read(reading, 1 << 20).count(b"\n") == written
    os.close(reading)
    assert 0 < written < 200


@pytest.mark.parametrize("outlet", [Lines(-1), GelfUdp("fe80::1", 9), Kept()], ids=["lines", "gelf", "kept"])
def test_after_a_burst_the_drainer_rests_again(outlet):
    """It hurries while more waits than one turn takes, and is back at its interval when nothing comes."""
    sink = Sink("burst", outlet, 100_000, Counted(), interval=0.02)
    for number in range(3 * outlet.pace.most):
        sink.offer(b"%d" % number)
    eventually(lambda: sum(sink.fates.values) == 3 * outlet.pace.most)
    eventually(lambda: sink._pause == 0.02)
    sink.close()
