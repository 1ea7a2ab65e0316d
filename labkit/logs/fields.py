"""What a log record consists of, and which of it is text, number or words."""

from typing import Final

MESSAGE: Final = "message"
# Columns of both stores; what is not among them is in the record's `fields`.
TEXT_COLUMNS: Final = ("host", "event", "request_id", "method", "route", "path", "model", "model_version")
NUMBER_COLUMNS: Final = ("level", "status", "duration_us")
COLUMNS: Final = (*TEXT_COLUMNS, *NUMBER_COLUMNS, MESSAGE)
# Documented parts of `fields`. Only numbers can be compared by size.
OTHER_NUMBERS: Final = ("partition", "offset", "wait_ms", "origin_duration_us", "retries")
OTHER_TEXTS: Final = (
    "job_id",
    "client",
    "outcome",
    "reason",
    "topic",
    "feedback_id",
    "about",
    "verdict",
    "logger",
    "full_message",
    "replica_url",
)
NUMBERS: Final = (*NUMBER_COLUMNS, *OTHER_NUMBERS)
DOCUMENTED: Final = (*COLUMNS, *OTHER_NUMBERS, *OTHER_TEXTS)


def is_number(field: str) -> bool:
    return field in NUMBERS


def is_column(field: str) -> bool:
    return field in COLUMNS


def shown(field: str, value: object) -> str:
    """Return a value as a group's name: "" when the record has none; a number that is whole has no point."""
    if value is None:
        return ""
    if is_number(field) and isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
