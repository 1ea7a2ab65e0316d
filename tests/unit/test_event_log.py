"""The log of events: nothing waits for it, nothing is lost uncounted, no sink stops another."""

import contextlib
import json
import os
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.telemetry.event_log import EventLog
from app.telemetry.events import Request, encode, template
from app.telemetry.log_sinks import Fates, LineSink, write_lines
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
        self.sink = LineSink(fd, capacity, fates, interval=0.001)
        super().__init__([self.sink], interval=0.001)

    def close(self, within: float = 2.0) -> None:
        super().close()
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


def test_a_stalled_sink_stops_no_other(tmp_path):
    """Both get the same bytes; one is a pipe that nobody reads, and the other one has all of it none the later."""
    with (tmp_path / "log").open("wb") as file, pipe() as (reading, writing):
        fates = [Counted(), Counted()]
        sinks = [
            LineSink(fd, 100, one, interval=0.001) for fd, one in zip((writing, file.fileno()), fates, strict=True)
        ]
        log = EventLog(sinks, interval=0.001)
        for number in range(1000):
            log.append(record(number))
            if number % 50 == 0:
                eventually(lambda number=number: fates[1].values[0] == number + 1, every=0.0001)
        log.close()
        sinks[1].close(2.0)
        assert fates[1].values == (1000, 0, 0)
        assert fates[0].values[1] >= 500  # the pipe's 64 KiB, one write in hand, and a full buffer
        os.close(reading)  # now it refuses: what waits fails
        sinks[0].close(2.0)
        assert sum(fates[0].values) == 1000


def test_a_few_records_go_out_by_themselves():
    """Fewer than go together wait for no more to come."""
    with pipe() as (reading, writing):
        log = Lined(writing, 100, Counted())
        log.append(record(7))
        assert json.loads(os.read(reading, 4096))["_request_id"] == "id-7"
        log.close()


@given(
    path=st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
    seconds=st.floats(0, 1e4),
    request_id=st.from_regex(rb"[A-Za-z0-9._-]{1,128}", fullmatch=True),
)
def test_a_template_says_what_the_record_would(path, seconds, request_id):
    """Whatever the path holds, percent signs and quotation marks too."""
    asked = msgspec.structs.replace(record(path=path), timestamp=1763.25, request_id=request_id.decode())
    wanted = msgspec.structs.replace(asked, duration_us=int(seconds * 1e6))
    line = template(asked) % (1763.25, request_id, seconds * 1e6)
    assert json.loads(line) == json.loads(encode(wanted))


def test_lines_written_before_a_sink_refuses_are_no_failures(tmp_path):
    """A file that may not grow beyond a few lines takes those."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)  # full, it refuses instead of stalling
    lines = [b"x" * 1000 + b"\n"] * 200
    written = write_lines(writing, lines)
    os.close(writing)
    assert os.read(reading, 1 << 20).count(b"\n") == written
    os.close(reading)
    assert 0 < written < 200
