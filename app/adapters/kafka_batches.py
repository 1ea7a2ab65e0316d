"""The worker's side of Kafka, where it writes: many messages at once, acknowledged before it goes on.

    publisher = KafkaBatchPublisher(Producers(servers, ...), deadline, counters, perf_counter)
    publisher.publish("results", [Message(key, value, headers), ...])   # returns when all are acknowledged
    publisher.close()

It blocks the calling thread for `deadline` seconds at most (two more when it has to connect first), and connects by
itself, again and again: it can be built while Kafka is away.
"""

from collections.abc import Callable, Mapping, Sequence

from kafka.errors import KafkaError

from app.adapters.kafka_producer import Producers, TopicCounters
from app.core.errors import QueueAway
from app.core.ports import Message


class KafkaBatchPublisher:
    """A Publisher. All methods belong to one thread."""

    def __init__(
        self,
        producers: Producers,
        deadline: float,
        counters: Mapping[str, TopicCounters],
        clock: Callable[[], float],
    ) -> None:
        """`deadline`: seconds for all messages of a call together; `counters` by topic."""
        self._producers = producers
        self._deadline = deadline
        self._counters = counters
        self._clock = clock

    def publish(self, topic: str, messages: Sequence[Message]) -> None:
        """Return once all in-sync replicas have all of them. Raises QueueAway: some may be there, some not."""
        started = self._clock()
        acknowledged = 0
        try:
            producer = self._producers.current()
            sent = [producer.send(topic, one.value, one.key, one.headers) for one in messages]
            for one in sent:
                one.get(timeout=max(0.0, started + self._deadline - self._clock()))
                acknowledged += 1
        except KafkaError as error:
            self._producers.give_up(topics_in_doubt=True)
            raise QueueAway(
                f"{len(messages) - acknowledged} of {len(messages)} messages to {topic} are not acknowledged "
                f"({type(error).__name__}: {error})"
            ) from error
        finally:
            self._count(topic, acknowledged, len(messages) - acknowledged, self._clock() - started)

    def close(self) -> None:
        self._producers.close()

    def _count(self, topic: str, acknowledged: int, failed: int, seconds: float) -> None:
        counters = self._counters[topic]
        counters.acknowledged.add(acknowledged)
        counters.failed.add(failed)
        for _ in range(acknowledged):
            counters.seconds.observe(seconds)
