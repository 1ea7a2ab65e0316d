"""The worker's log: one record for each message that it is done with."""

from kafka.consumer.fetcher import ConsumerRecord

from app.core.feedback import FeedbackEvent
from app.core.jobs import JobResult
from app.core.topics import REQUEST_ID
from app.telemetry.event_log import EventLog, NoLog
from app.telemetry.events import INFO, VERSION, WARNING, Feedback, Job

_DONE = frozenset(("done", "duplicate", "stored"))
# Characters of what anybody may have written: a record must fit into a datagram.
_MOST = 128


class WorkerLog:
    """Makes the records of one worker. Times in epoch seconds."""

    def __init__(self, events: EventLog | NoLog, host: str) -> None:
        """`host`: the worker's name."""
        self._append = events.append
        self._host = host

    def job(
        self,
        record: ConsumerRecord,
        known: JobResult | None,
        outcome: str,
        reason: str = "",
        *,
        taken: float,
        finished: float,
    ) -> None:
        """Log one message of the topic `jobs`; `known`: what its owner was told, None when nobody could be."""
        model = known.model if known else ""
        self._append(
            Job(
                VERSION,
                self._host,
                f"job {known.id if known else 'of nobody'} {outcome}",
                finished,
                INFO if outcome in _DONE else WARNING,
                (known.request_id if known else "") or request_id(record),
                known.id if known else "",
                known.client if known else "",
                model,
                known.version if known else "",
                outcome,
                reason,
                record.topic,
                record.partition,
                record.offset,
                _milliseconds(taken - known.accepted) if known and known.accepted else 0,
                _microseconds(finished - taken),
            )
        )

    def feedback(
        self,
        record: ConsumerRecord,
        event: FeedbackEvent | None,
        outcome: str,
        reason: str = "",
        *,
        version: str = "",
        verdict: str = "",
        taken: float,
        finished: float,
    ) -> None:
        """Log one message of the topic `feedback`; `event`: what it says, None when that is not readable."""
        self._append(
            Feedback(
                VERSION,
                self._host,
                f"feedback {event.id[:_MOST] if event else 'of nobody'} {outcome}",
                finished,
                INFO if outcome in _DONE else WARNING,
                (event.request_id[:_MOST] if event else "") or request_id(record),
                event.id[:_MOST] if event else "",
                event.about[:_MOST] if event else "",
                event.client[:_MOST] if event else "",
                event.model[:_MOST] if event else "",
                version[:_MOST],
                outcome,
                verdict,
                reason,
                record.topic,
                record.partition,
                record.offset,
                _milliseconds(taken - event.given) if event else 0,
                _microseconds(finished - taken),
            )
        )


def request_id(record: ConsumerRecord) -> str:
    """Return the id in a message's headers, empty when there is none: anybody may have written them."""
    for name, value in record.headers:
        if name == REQUEST_ID and isinstance(value, bytes):
            return value[:_MOST].decode("utf-8", "replace")
    return ""


def _milliseconds(seconds: float) -> int:
    return max(0, int(seconds * 1e3))


def _microseconds(seconds: float) -> int:
    return max(0, int(seconds * 1e6))
