"""What stands in the topic `feedback` of the broker that the tests share, what others have put there too."""

import contextlib

import msgspec

from app.core.feedback import FeedbackEvent, decode_event
from app.core.topics import FEEDBACK
from tests.kafka_server import KafkaServer


def events(kafka: KafkaServer) -> list[FeedbackEvent]:
    """Return all that can be read, in the order in which it was given."""
    found = []
    for record in kafka.records(FEEDBACK):
        with contextlib.suppress(msgspec.MsgspecError, RecursionError):
            found.append(decode_event(record.value))
    return sorted(found, key=lambda event: event.given)
