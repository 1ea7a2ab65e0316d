"""What a process has to say: the records of `logging` as GELF, on stdout and on the network, behind a bounded queue."""

import logging
import queue
from collections.abc import Sequence
from logging.handlers import QueueHandler, QueueListener
from typing import Any

from app.telemetry.events import ERROR, INFO, VERSION, WARNING, encode
from app.telemetry.log_sinks import Fates, LineSink

# Records that wait for the listener; it never stands still, so that these are many.
_MOST_WAITING = 1024
# Characters: one record is one record whatever somebody made an error say. A traceback is worth keeping whole.
_MOST_SHORT = 4096
_MOST_FULL = 65536
_LEVELS = {logging.DEBUG: 7, logging.INFO: INFO, logging.WARNING: WARNING, logging.ERROR: ERROR, logging.CRITICAL: 2}


def message_fields(record: logging.LogRecord, host: str) -> dict[str, Any]:
    """Return a record as GELF; its `request_id`, if it was logged with one, follows the request."""
    fields = {
        "_event": "message",
        "version": VERSION,
        "host": host,
        "short_message": record.getMessage()[:_MOST_SHORT] or "(empty)",
        "timestamp": record.created,
        "level": _LEVELS.get(record.levelno, INFO),
        "_logger": record.name,
    }
    if record.exc_text:
        fields["full_message"] = record.exc_text[-_MOST_FULL:]
    request_id = getattr(record, "request_id", None)
    if request_id:
        fields["_request_id"] = str(request_id)
    return fields


class LineHandler(logging.Handler):
    """Gives records to a sink, as one line of JSON each."""

    def __init__(self, sink: LineSink, host: str) -> None:
        super().__init__()
        self._sink = sink
        self._host = host

    def emit(self, record: logging.LogRecord) -> None:
        self._sink.take([encode(message_fields(record, self._host))])


class ApplicationLog:
    """Takes over the root logger until it is closed: who logs never waits, what does not fit is counted."""

    def __init__(
        self, level: str, handlers: Sequence[logging.Handler], fates: Sequence[Fates], *, most: int = _MOST_WAITING
    ) -> None:
        """`handlers` write, each in the listener's thread; `fates` are counted for each record that has no room."""
        waiting: queue.Queue[Any] = queue.Queue(most)
        self._entrance = _Entrance(waiting, fates)
        self._listener = _Listener(waiting, handlers)
        self._listener.start()
        root = logging.getLogger()
        root.handlers[:] = [self._entrance]
        root.setLevel(level)
        # A malformed request is the client's affair, and one line each would let anybody fill the log.
        logging.getLogger("uvicorn.error").setLevel("ERROR")

    def close(self) -> None:
        """Hand over what waits. Who logs from now on is heard on stderr (`logging.lastResort`)."""
        logging.getLogger().removeHandler(self._entrance)
        self._listener.stop()
        for handler in self._listener.handlers:
            handler.close()


class _Entrance(QueueHandler):
    """Puts records into the queue, made into text: what they were made of may change or be gone by the time."""

    def __init__(self, waiting: "queue.Queue[Any]", fates: Sequence[Fates]) -> None:
        super().__init__(waiting)
        self._fates = fates

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        if record.exc_info and not record.exc_text:
            record.exc_text = _FORMATTER.formatException(record.exc_info)
        record.msg, record.args, record.exc_info = record.getMessage(), None, None
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            for fates in self._fates:
                fates.dropped()


class _Listener(QueueListener):
    def __init__(self, waiting: "queue.Queue[Any]", handlers: Sequence[logging.Handler]) -> None:
        super().__init__(waiting, *handlers)
        self._waiting = waiting

    def enqueue_sentinel(self) -> None:
        # In the library's own way a full queue would be an error; this one becomes empty by itself.
        self._waiting.put(None)


_FORMATTER = logging.Formatter()
