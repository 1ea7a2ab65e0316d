"""The producer in use: built when it is needed, given up when it failed, never waited for without end.

Two faces stand on it: KafkaPublisher for the api's event loop (app/adapters/kafka_publisher.py) and
KafkaBatchPublisher for the worker's thread (app/adapters/kafka_batches.py).
"""

import time
from typing import Any, Final, NamedTuple

from kafka import KafkaProducer
from kafka.errors import KafkaError

from app.adapters.kafka_clients import REQUEST_MS, build
from app.adapters.kafka_topics import make_missing
from app.core.ports import Adds, Observes
from app.core.topics import TOPICS, Topic

# Messages of the same moment travel together: a request costs as much as ten messages.
_LINGER_MS: Final = 5
_BATCH_BYTES: Final = 64 * 1024
# What a job or a feedback adds to the body it came from, and Kafka to a message.
_ENVELOPE_BYTES: Final = 16 * 1024
_CLOSE_SECONDS: Final = 2.0


class TopicCounters(NamedTuple):
    """What is counted of the messages to one topic."""

    acknowledged: Adds
    failed: Adds
    seconds: Observes
    """From handing over to the acknowledgement."""


class Producers:
    """Gives the producer to use. All methods belong to one thread at a time.

    Acknowledged means that all in-sync replicas have a message; the broker drops what a retry brings twice. A producer
    of kafka-python can get into a state that it never leaves, and after an outage it would wait on old connections:
    one that failed is given up for a new one. What is still under way on it may arrive, or fails by its deadline.
    """

    def __init__(
        self,
        servers: str,
        *,
        replication: int,
        deadline: float,
        largest_body: int,
        topics: tuple[Topic, ...] = TOPICS,
        acks: str | int = "all",
    ) -> None:
        """`deadline`: seconds that somebody waits for a message; after twice as long it fails. `largest_body`: bytes.

        `acks`: anything but "all" breaks the promise; it is there so that a test can show what "all" is good for.
        """
        self.servers = servers
        self._topics = topics
        self._replication = replication
        self._largest_message = largest_body + _ENVELOPE_BYTES
        self._options = {
            "acks": acks,
            "enable_idempotence": acks == "all",
            "request_timeout_ms": REQUEST_MS,
            # Longer than anybody waits: a batch that expires breaks the sequence that an idempotent producer counts by,
            # and the partition stands still. What arrives after its deadline was refused, and is done all the same.
            "delivery_timeout_ms": max(round(2 * deadline * 1000), REQUEST_MS + _LINGER_MS),
            "max_block_ms": REQUEST_MS // 2,
            "linger_ms": _LINGER_MS,
            "batch_size": _BATCH_BYTES,
            "max_request_size": self._largest_message,
            # Who leads a partition changes while the old leader is silent, and no error says so.
            "metadata_max_age_ms": REQUEST_MS // 2,
            "metrics_enabled": False,
        }
        self._producer: Any = None
        self._topics_made = False
        self._given_up: list[Any] = []

    @property
    def leftover(self) -> bool:
        """Whether a producer that was given up is not closed yet."""
        return bool(self._given_up)

    def current(self) -> Any:
        """Return the KafkaProducer to use; the topics exist. Raises QueueAway after about two seconds."""
        self.bury()
        if not self._topics_made:
            make_missing(
                self.servers, self._topics, replication=self._replication, largest_message=self._largest_message
            )
            self._topics_made = True
        if self._producer is None:
            self._producer = build(KafkaProducer, self.servers, **self._options)
        return self._producer

    def give_up(self, *, topics_in_doubt: bool = False) -> None:
        """Have the next call of `current` build a new one, and look after the topics if they are in doubt."""
        self._topics_made = self._topics_made and not topics_in_doubt
        if self._producer is not None:
            self._given_up.append(self._producer)
            self._producer = None
        self.bury()

    def bury(self) -> None:
        """Close what was given up, as far as nothing is under way on it any more."""
        self._given_up = [producer for producer in self._given_up if not _closed(producer)]

    def close(self) -> None:
        """Wait for what is under way, two seconds at most, and close."""
        self.give_up()
        deadline = time.monotonic() + _CLOSE_SECONDS
        while self._given_up and time.monotonic() < deadline:
            time.sleep(0.01)
            self.bury()


def _closed(producer: Any) -> bool:
    """Close a producer without waiting; it refuses while messages are under way: until their deadline at the latest."""
    try:
        producer.close(timeout=0)
    except KafkaError:
        return False
    return True
