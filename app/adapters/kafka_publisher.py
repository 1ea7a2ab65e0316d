"""The api's side of Kafka: the event loop hands messages over and waits for futures; a thread talks to the producer.

    log = KafkaPublisher(Producers(servers, ...), deadline=1.8, most_pending=10_000, counters=..., clock=perf_counter)
    await log.publish("jobs", key, value, request_id)     # acknowledged by all in-sync replicas, or QueueAway
    await log.close()

It connects by itself, again and again: it can be built while Kafka is away. The worker's thread has a face of its own:
app/adapters/kafka_batches.py.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from math import inf
from typing import Final

from app.adapters.kafka_producer import Producers, TopicCounters
from app.adapters.kafka_thread import Outgoing, ProducerThread
from app.core.errors import QueueAway

# Without one acknowledgement for so long, a failed message means that Kafka is away. Longer than a cluster needs to do
# without a broker that died: until then its partitions, all of them, acknowledge nothing.
_SILENCE_SECONDS: Final = 5.0
# While it is away, one message per so long finds out whether it is back, and the others are refused at once.
_PAUSE_SECONDS: Final = 0.25
# Meanwhile a new producer is tried so often.
_RENEW_SECONDS: Final = 2.0
# Values that wait for their acknowledgement; messages are small, but one may be as large as a body.
_MOST_PENDING_BYTES: Final = 32 << 20


class KafkaPublisher:
    """A MessageLog. All methods belong to the event loop it was built in."""

    def __init__(
        self,
        producers: Producers,
        *,
        deadline: float,
        most_pending: int,
        counters: Mapping[str, TopicCounters],
        clock: Callable[[], float],
    ) -> None:
        """`deadline`: seconds until a message is acknowledged or refused; `counters` by topic."""
        self._servers = producers.servers
        self._deadline = deadline
        self._most_pending = most_pending
        self._counters = counters
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._fresh: list[Outgoing] = []
        self._waiting: deque[Outgoing] = deque()
        self._pending = 0
        self._pending_bytes = 0
        self._sweeper: asyncio.TimerHandle | None = None
        self._acknowledged_at = -inf
        self._away = False
        self._probe_at = 0.0
        self._renew_at = 0.0
        self._well = True
        self._thread = ProducerThread(producers, self._loop, self._settle, self._connected)
        self._thread.start()

    @property
    def well(self) -> bool:
        """Whether the last that was heard of Kafka was good (true before the first)."""
        return self._well

    async def publish(self, topic: str, key: bytes, value: bytes, request_id: bytes) -> None:
        """Return once all in-sync replicas have the message. Raises QueueAway within the deadline."""
        now = self._clock()
        probing = self._away and now >= self._probe_at
        if self._away and not probing:
            self._refuse(topic, f"Kafka ({self._servers}) acknowledges nothing at this moment")
        if self._pending >= self._most_pending or self._pending_bytes + len(value) > _MOST_PENDING_BYTES:
            self._refuse(topic, f"{self._pending} messages ({self._pending_bytes} bytes) wait for Kafka")
        message = Outgoing(topic, key, value, request_id, self._loop.create_future(), now)
        if probing:
            self._probe_at = now + _PAUSE_SECONDS
        self._pending += 1
        self._pending_bytes += len(value)
        self._waiting.append(message)
        self._hand_over_soon(message)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self._deadline, self._sweep)
        await message.future

    async def close(self) -> None:
        """Wait for what is under way, a few seconds at most, and end the thread; what waits then is refused."""
        self._hand_over()
        await self._thread.close()
        self._settle()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for message in self._waiting:
            self._conclude(message, "the service ends", self._clock())

    def _refuse(self, topic: str, detail: str) -> None:
        self._counters[topic].failed.add()
        raise QueueAway(detail)

    def _hand_over_soon(self, message: Outgoing) -> None:
        """Wake the thread once for all messages of this turn of the loop."""
        self._fresh.append(message)
        if len(self._fresh) == 1:
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        fresh, self._fresh = self._fresh, []
        if fresh:
            self._thread.send(fresh)

    def _settle(self) -> None:
        """Take what the thread reports: acknowledged messages, and failed ones."""
        now = self._clock()
        for message, error in self._thread.reports():
            if error is None:
                self._acknowledged_at = now
                self._away = False
                self._well = True
            self._conclude(message, error, now)
        while self._waiting and self._waiting[0].settled:
            self._waiting.popleft()

    def _sweep(self) -> None:
        """Refuse what waits longer than the deadline; all wait equally long, so the oldest stand first."""
        self._sweeper = None
        now = self._clock()
        while self._waiting:
            oldest = self._waiting[0]
            if not oldest.settled:
                if now < oldest.handed_over + self._deadline:
                    self._sweeper = self._loop.call_later(oldest.handed_over + self._deadline - now, self._sweep)
                    return
                self._conclude(oldest, f"no acknowledgement within {self._deadline} s", now)
            self._waiting.popleft()

    def _conclude(self, message: Outgoing, error: str | None, now: float) -> None:
        """Count a message once and tell who waits for it."""
        if message.settled:  # acknowledged after its deadline
            return
        message.settled = True
        self._pending -= 1
        self._pending_bytes -= len(message.value)
        message.value = b""
        counters = self._counters[message.topic]
        if error is None:
            counters.acknowledged.add()
            counters.seconds.observe(now - message.handed_over)
        else:
            counters.failed.add()
            self._failed(now)
        if message.future.done():  # nobody waits any more: the request was cancelled
            return
        if error is None:
            message.future.set_result(None)
        else:
            message.future.set_exception(QueueAway(f"Kafka ({self._servers}) does not have it for sure: {error}"))

    def _failed(self, now: float) -> None:
        """Find out whether Kafka is away, or only the leader of some partition: the others go on then."""
        if now - self._acknowledged_at < _SILENCE_SECONDS:
            return
        if not self._away:
            self._probe_at = now + _PAUSE_SECONDS
        if now >= self._renew_at:
            self._renew_at = now + _RENEW_SECONDS
            self._thread.renew()
        self._away = True
        self._well = False

    def _connected(self) -> None:
        """A new producer has found a broker: if the last failed, the next message may try this one."""
        self._well = True
        self._probe_at = self._clock()
