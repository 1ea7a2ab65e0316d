"""The poll loop: records to handlers, offsets to Kafka, and patience with whatever is away."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from kafka import TopicPartition
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.errors import CommitFailedError, KafkaError

from app.core.backoff import Backoff
from app.core.errors import Away
from app.core.topics import JOBS
from app.telemetry.metrics import Metrics
from app.worker.consumer import joined
from app.worker.handler import Handler
from app.worker.offsets import Offsets

_log = logging.getLogger("app.worker")

# The longest time until a signal or the end of a pause is noticed.
_POLL_SECONDS = 0.2
# A turn costs about 4 ms of CPU whatever is in it: under a steady stream they are at least this far apart.
_TURN_SECONDS = 0.02
_COMMIT_MS = 2000
_LEAVE_MS = 2000
# How often lag is looked at, and how often it is said that Kafka keeps us waiting.
_LOOK_SECONDS = 1.0
_SAY_SECONDS = 5.0


class Lane:
    """One topic: who handles it, and when it may be tried again."""

    def __init__(self, handler: Handler, longest_pause: float) -> None:
        self.handler = handler
        self.backoff = Backoff(longest_pause)


class PollLoop:
    """Polls until told to stop. It belongs to one thread; `stop` and `ready` may be called from any.

    Between two polls every record is handled and committed, or put back. Partitions come and go only within a poll,
    so that none is ever taken away with work in hand; only a commit that failed is left to be made up for then.
    """

    def __init__(
        self,
        open_consumer: Callable[[], Any],
        handlers: Sequence[Handler],
        metrics: Metrics,
        *,
        most: int,
        retry_seconds: float,
        before_poll: Callable[[], None],
    ) -> None:
        """`most`: records that the consumer gives at once; `retry_seconds`: the longest pause between two tries of
        what may pass; `before_poll`: called every turn, also while Kafka is away.
        """
        self._open_consumer = open_consumer
        self._lanes = {handler.topic: Lane(handler, retry_seconds) for handler in handlers}
        self._metrics = metrics
        self._most = most
        self._before_poll = before_poll
        self._reopening = Backoff(retry_seconds)
        self._offsets = Offsets()
        self._consumer: Any = None
        self._stopping = False
        self._look_at = 0.0
        self._say_at = 0.0
        self._joined_at = time.monotonic()
        self._observe_processing = metrics.histogram("job_processing_seconds").observe

    def stop(self) -> None:
        """Ask for the end: what is in hand is finished and committed."""
        self._stopping = True

    def ready(self) -> bool:
        """Say whether this process is a member of the group, and Kafka answers."""
        consumer = self._consumer
        return consumer is not None and not self._stopping and joined(consumer)

    def run(self) -> None:
        """Poll until `stop`. While Kafka is away at the start, and after an error that the client does not get over,
        a new client is tried again and again.
        """
        while not self._stopping:
            try:
                self._consume()
            except (KafkaError, Away) as error:
                self._say(f"no Kafka client, trying on: {error!r}")
                self._reopening.failed(time.monotonic())
                while not self._stopping and time.monotonic() < self._reopening.until:
                    self._before_poll()
                    time.sleep(_POLL_SECONDS / 4)

    def _consume(self) -> None:
        consumer = self._open_consumer()
        try:
            consumer.subscribe(list(self._lanes), listener=_Listener(consumer, self._offsets))
            self._consumer = consumer
            while not self._stopping:
                self._turn(consumer)
            self._commit(consumer)
        finally:
            self._consumer = None
            # What is not committed by now will not be: closing must not wait for it.
            self._offsets.forget()
            consumer.close(autocommit=False, timeout_ms=_LEAVE_MS)

    def _turn(self, consumer: Any) -> None:
        self._before_poll()
        self._resume(consumer)
        batch = consumer.poll(timeout_ms=round(self._patience(consumer) * 1000))
        started = time.monotonic()
        for topic, lane in self._lanes.items():
            parts = {one: records for one, records in batch.items() if one.topic == topic}
            if parts:
                self._hand_over(consumer, lane, parts)
        self._commit(consumer)
        if any(one.topic == JOBS for one in batch):
            self._observe_processing(time.monotonic() - started)
        if started >= self._look_at:
            self._look_at = started + _LOOK_SECONDS
            self._look(consumer, started)
        if batch and not self._stopping and sum(map(len, batch.values())) < self._most:
            time.sleep(max(0.0, started + _TURN_SECONDS - time.monotonic()))

    def _patience(self, consumer: Any) -> float:
        """Return how long a poll may wait: less when a pause ends before that. One that is over is none."""
        now = time.monotonic()
        ends = [self._lanes[one.topic].backoff.until - now for one in consumer.paused()]
        return max(0.0, min([_POLL_SECONDS, *ends]))

    def _resume(self, consumer: Any) -> None:
        now = time.monotonic()
        due = [one for one in consumer.paused() if self._lanes[one.topic].backoff.until <= now]
        if due:
            consumer.resume(*due)

    def _hand_over(self, consumer: Any, lane: Lane, parts: dict[TopicPartition, list[Any]]) -> None:
        try:
            lane.handler.handle([record for records in parts.values() for record in records])
        except Exception as error:
            self._put_back(consumer, lane, parts, error)
            return
        lane.backoff.succeeded()
        self._reopening.succeeded()
        for one, records in parts.items():
            self._offsets.handled(one, records[-1].offset, len(records))

    def _put_back(self, consumer: Any, lane: Lane, parts: dict[TopicPartition, list[Any]], error: Exception) -> None:
        """Let the records come again after a pause, in which the other topics go on."""
        topic = lane.handler.topic
        for one, records in parts.items():
            consumer.seek(one, records[0].offset)
            self._offsets.put_back(one, records[0].offset)
        consumer.pause(*(one for one in consumer.assignment() if one.topic == topic))
        pause = lane.backoff.failed(time.monotonic())
        self._metrics.counter("messages_retried_total", topic).add()
        if isinstance(error, Away):
            _log.warning("%s: put back for %.2f s: %s", topic, pause, error)
        else:
            _log.error("%s: put back for %.2f s: the handler failed", topic, pause, exc_info=error)

    def _commit(self, consumer: Any) -> None:
        offsets = self._offsets.uncommitted()
        if not offsets:
            return
        try:
            consumer.commit(offsets, timeout_ms=_COMMIT_MS)
        except CommitFailedError as error:
            # The group has gone on without us: others get these records again, and find them answered.
            _log.warning("not committed, the partitions are no longer ours: %s", error)
            self._offsets.forget()
        except KafkaError as error:
            _log.warning("not committed yet: %r", error)
        else:
            for topic, count in self._offsets.committed().items():
                self._metrics.counter("messages_consumed_total", topic).add(count)

    def _look(self, consumer: Any, now: float) -> None:
        """Note the lag, and say so when Kafka keeps us waiting."""
        for one in consumer.assignment():
            if one not in self._offsets.lag:
                self._metrics.gauge("consumer_lag_records", self._lag_of(one), one.topic, str(one.partition))
            self._offsets.look(one, consumer.highwater(one))
        if joined(consumer):
            self._joined_at = now
        elif now >= self._joined_at + _SAY_SECONDS:
            self._say("not in the group of workers: Kafka does not answer, or a rebalance takes its time; waiting")

    def _say(self, message: str) -> None:
        """Log what lasts, every few seconds."""
        now = time.monotonic()
        if now >= self._say_at:
            self._say_at = now + _SAY_SECONDS
            _log.warning(message)

    def _lag_of(self, one: TopicPartition) -> Callable[[], float]:
        return lambda: self._offsets.lag.get(one, 0)


class _Listener(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Commits what a failed commit left over before partitions go.

    It runs in the client's own thread, while ours waits in the poll or the close that has brought it about.
    """

    def __init__(self, consumer: Any, offsets: Offsets) -> None:
        self._consumer = consumer
        self._offsets = offsets

    async def on_partitions_revoked(self, _: set[TopicPartition]) -> None:
        offsets = self._offsets.uncommitted()
        if offsets:
            try:
                await self._consumer.commit_async(offsets)
            except KafkaError as error:
                _log.warning("not committed before the partitions went: %r", error)
        self._offsets.forget()

    async def on_partitions_lost(self, _: set[TopicPartition]) -> None:
        self._offsets.forget()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        _log.info("assigned: %s", ", ".join(sorted(f"{one.topic}/{one.partition}" for one in assigned)) or "nothing")
