"""Messages that can never be handled, put aside with the reason so that their partition goes on."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

from kafka.consumer.fetcher import ConsumerRecord

from app.core.ports import Message, Publisher
from app.core.topics import DEAD_LETTERS, REASON, REQUEST_ID, SOURCE
from app.telemetry.metrics import Metrics
from app.worker.records import request_id

_log = logging.getLogger("app.worker")

# A dead letter is larger than its message, by the headers: one that Kafka refused for that would block its partition.
_MOST_BYTES = 1_000_000
_DETAIL = 1000
# Header: the length that the value had.
CUT = "dead-letter-cut-from"


class DeadLetter(NamedTuple):
    """A message and why it is put aside: `reason` is one of DEAD_LETTER_REASONS, `detail` what was seen."""

    record: ConsumerRecord
    reason: str
    detail: str


class DeadLetters:
    """Publishes messages to the dead-letter topic, unchanged but for headers."""

    def __init__(self, publisher: Publisher, metrics: Metrics) -> None:
        self._publisher = publisher
        self._metrics = metrics

    def put_aside(self, letters: Sequence[DeadLetter]) -> None:
        """Return once Kafka has acknowledged them all. Raises Away."""
        if not letters:
            return
        self._publisher.publish(DEAD_LETTERS, [_message(letter) for letter in letters])
        for record, reason, detail in letters:
            self._metrics.counter("dead_letters_total", record.topic, reason).add()
            facts = {"request_id": request_id(record)}
            _log.warning("%s is a dead letter (%s): %s", source(record), reason, detail, extra=facts)


def source(record: ConsumerRecord) -> str:
    """Return where a message stands: "TOPIC/PARTITION/OFFSET"."""
    return f"{record.topic}/{record.partition}/{record.offset}"


def _message(letter: DeadLetter) -> Message:
    record = letter.record
    headers = [(name, value) for name, value in record.headers if name == REQUEST_ID and isinstance(value, bytes)]
    headers += [(REASON, f"{letter.reason}: {letter.detail[:_DETAIL]}".encode()), (SOURCE, source(record).encode())]
    # The client refuses a message that is nothing at all.
    value = b"" if record.value is None and record.key is None else record.value
    if value is not None and len(value) > _MOST_BYTES:
        headers.append((CUT, str(len(value)).encode()))
        value = value[:_MOST_BYTES]
    return Message(record.key, value, headers)
