"""Application logs: one JSON line a record on stdout, beside the access log's."""

import logging
import sys

import msgspec

_encode = msgspec.json.Encoder().encode


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON, a traceback included as text."""

    def __init__(self, replica: str) -> None:
        super().__init__()
        self._replica = replica

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": record.created,
            "level": record.levelname,
            "event": "message",
            "replica": self._replica,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        elif record.exc_text:
            fields["traceback"] = record.exc_text
        return _encode(fields).decode()


def configure_logging(level: str, replica: str) -> None:
    """Send every logger's records of at least `level` to stdout as JSON lines."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(replica))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # A malformed request is the client's affair, and one line each would let anybody fill the log.
    logging.getLogger("uvicorn.error").setLevel("ERROR")
