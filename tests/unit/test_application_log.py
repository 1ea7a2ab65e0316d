"""Application logs: one record each on stdout and over GELF; who logs never waits; each has one fate in each sink."""

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.telemetry.application_log import ApplicationLog
from app.telemetry.events import Request
from app.telemetry.gelf_handler import GelfHandler
from app.telemetry.gelf_udp import GelfUdp
from app.telemetry.logs import Logs
from app.telemetry.metrics import Metrics
from tests.eventually import eventually
from tests.gelf_receiver import GelfReceiver
from tests.service import Scrape, free_ports
from tests.unit.test_event_log import Counted, record

_log = logging.getLogger("lab.test")
HOSTILE = (
    'a"}\n{"version":"1.1","_event":"request"}',
    "\r\n\x00\x1b[31mred\x1b[0m \u2028\u2029\x85",
    "lone \ud800 surrogates \udfff",
    "%s %d %(name)s {0}",
    "😀" * 100,
    "x" * 65_536,
    "",
)


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    root, uvicorn = logging.getLogger(), logging.getLogger("uvicorn.error")
    before = root.handlers[:], root.level, uvicorn.level
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    uvicorn.setLevel(before[2])


class Open:
    """The logs of a process that are written to a file and to a receiver."""

    def __init__(self, folder: Path, gelf: tuple[str, int] | None, capacity: int = 10_000) -> None:
        self.file = folder / "out"
        self.metrics = Metrics()
        self._fd = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.logs = Logs(self.metrics, "api-1", "INFO", capacity, self._fd, gelf)

    def close(self) -> list[bytes]:
        """Return the lines."""
        self.logs.close()
        os.close(self._fd)
        return self.file.read_bytes().splitlines()

    def counted(self, sink: str, outcome: str) -> float:
        return Scrape(self.metrics.exposition().decode()).total("log_records_total", sink=sink, outcome=outcome)


def test_events_and_messages_are_the_same_on_stdout_and_over_gelf(tmp_path):
    with GelfReceiver() as receiver:
        both = Open(tmp_path, (receiver.host, receiver.port))
        for number in range(50):
            both.logs.events.append(record(number))
            _log.warning("%d of %s", number, "many", extra={"request_id": f"id-{number}"})
        _log.debug("not at this level")
        try:
            raise ZeroDivisionError("an example")
        except ZeroDivisionError:
            _log.exception("failed")
        lines = both.close()
        receiver.read()
    assert sorted(lines) == sorted(receiver.messages)
    assert len(lines) == 101
    records = receiver.records()
    messages = [one for one in records if one["_event"] == "message"]
    assert [one["_request_id"] for one in messages[:-1]] == [f"id-{number}" for number in range(50)]
    assert messages[0] | {"timestamp": 0} == {
        "_event": "message",
        "version": "1.1",
        "host": "api-1",
        "short_message": "0 of many",
        "timestamp": 0,
        "level": 4,
        "_logger": "lab.test",
        "_request_id": "id-0",
    }
    assert (messages[-1]["short_message"], messages[-1]["level"]) == ("failed", 3)
    assert messages[-1]["full_message"].endswith("ZeroDivisionError: an example")
    assert {both.counted(sink, "written") for sink in ("stdout", "gelf")} == {101}


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_whatever_is_logged_is_one_record(tmp_path, text):
    with GelfReceiver() as receiver:
        both = Open(tmp_path, (receiver.host, receiver.port))
        _log.warning(text)
        _log.warning("%s", text, extra={"request_id": text})
        try:
            raise ValueError(text)
        except ValueError:
            _log.exception("failed")
        lines = both.close()
        assert receiver.read() == 3
        assert sorted(lines) == sorted(receiver.messages)
        assert all(one["_event"] == "message" for one in receiver.records())
        assert not any(byte < 0x20 for line in lines for byte in line)


def test_a_full_queue_costs_messages_which_are_counted_for_each_sink_and_never_the_caller():
    """A handler that stands still: the rest is dropped; the control is the handler that goes on."""

    class Held(logging.Handler):
        seen = 0
        opened = threading.Event()

        def emit(self, record: logging.LogRecord) -> None:
            assert self.opened.wait(30)
            self.seen += 1

    held, fates = Held(), [Counted(), Counted()]
    log = ApplicationLog("INFO", [held], fates, most=10)
    for number in range(100):
        _log.warning("%d", number)
    assert all(one.values[0] == 0 for one in fates)
    dropped = fates[0].values[1]
    assert dropped in {89, 90}  # the queue's ten, and perhaps one in hand
    assert fates[1].values[1] == dropped
    held.opened.set()
    log.close()
    assert held.seen + dropped == 100
    assert logging.getLogger().handlers == []


def test_a_refused_message_is_counted_and_nothing_is_printed(tmp_path, capfd):
    (port,) = free_ports(1)
    both = Open(tmp_path, ("127.0.0.1", port))
    for _ in range(20):
        _log.error("to nobody")
    lines = both.close()
    assert (both.counted("gelf", "written"), both.counted("gelf", "failed")) == (0, 20)
    assert (both.counted("stdout", "written"), len(lines)) == (20, 20)
    assert capfd.readouterr() == ("", "")


def test_a_message_too_large_for_a_datagram_goes_in_chunks():
    """Random digits, which do not become small: 40 KB are some 15 chunks."""
    with GelfReceiver() as receiver:
        fates = Counted()
        handler = GelfHandler(GelfUdp(receiver.address), "api-1", fates)
        text = os.urandom(20_000).hex()
        record = logging.LogRecord("lab", logging.ERROR, "", 0, "failed", None, None)
        record.exc_text = text
        handler.handle(record)
        assert receiver.read() == 1
        assert receiver.records()[0]["full_message"] == text
        assert fates.values == (1, 0, 0)
        handler.close()


def test_sent_is_received_over_events_and_messages_together(tmp_path):
    """From many threads at once, into a receiver with little room, and into a buffer too small for the burst."""
    with GelfReceiver(buffer=65_536) as receiver:
        both = Open(tmp_path, (receiver.host, receiver.port), capacity=500)

        def talk() -> None:
            for number in range(1500):
                _log.warning("message %d", number)

        threads = [threading.Thread(target=talk) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(5000):
            both.logs.events.append(record(number))
        for thread in threads:
            thread.join()
        lines = both.close()
        appended = 5000 + 3 * 1500
        for sink in ("stdout", "gelf"):
            assert sum(both.counted(sink, outcome) for outcome in ("written", "dropped", "failed")) == appended
        assert both.counted("stdout", "written") == len(lines)
        assert both.counted("gelf", "dropped") > 0
        assert receiver.read() + receiver.kernel_drops() == both.counted("gelf", "written")


def test_what_waits_is_written_at_the_end(tmp_path):
    with GelfReceiver() as receiver:
        both = Open(tmp_path, (receiver.host, receiver.port))
        both.logs.events.append(record())
        _log.info("the last word")
        lines = both.close()
        assert (len(lines), receiver.read()) == (2, 2)
        _log.warning("after the end")  # heard on stderr, by nobody else
        assert len(both.file.read_bytes().splitlines()) == 2


def test_an_event_with_lone_surrogates_arrives(tmp_path):
    with GelfReceiver() as receiver:
        both = Open(tmp_path, (receiver.host, receiver.port))
        both.logs.events.append(
            Request("1.1", "api-1", "GET /\udcff 404", 1.5, 6, "id", "GET", "other", "/\udcff", 404, 1, "", "")
        )
        eventually(lambda: receiver.read() == 1)
        both.close()
        assert receiver.records()[0]["_path"] == "/\\udcff"
