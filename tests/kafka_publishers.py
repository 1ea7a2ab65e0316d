"""Publishers as the api and the worker have them, for tests, and a load of messages whose fate is noted."""

import asyncio
import gc
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from app.adapters.kafka_producer import Producers, TopicCounters
from app.adapters.kafka_publisher import KafkaPublisher
from app.core.errors import QueueAway
from app.core.topics import TOPICS, Topic
from app.telemetry.metrics import Metrics

DEADLINE = 1.8
REFUSED_WITHIN = 2.0
"""Seconds: the bar for a refusal. It is printed beside what was measured, not asserted: a busy machine is late."""
PROTECTED = 10.0
"""Seconds: far above the deadline, far below what controls without one wait."""
CLIENTS = tuple(f"client-{number}".encode() for number in range(12))


def topic_counters(metrics: Metrics, topics: tuple[Topic, ...] = TOPICS) -> dict[str, TopicCounters]:
    return {
        topic.name: TopicCounters(
            metrics.counter("messages_published_total", topic.name, "acknowledged"),
            metrics.counter("messages_published_total", topic.name, "failed"),
            metrics.histogram("message_publish_seconds", topic.name),
        )
        for topic in topics
    }


def producers(
    servers: str,
    *,
    replication: int = 1,
    deadline: float = DEADLINE,
    acks: str | int = "all",
    topics: tuple[Topic, ...] = TOPICS,
) -> Producers:
    return Producers(
        servers, replication=replication, deadline=deadline, largest_body=1 << 20, acks=acks, topics=topics
    )


@asynccontextmanager
async def publisher(
    source: Producers, metrics: Metrics, *, deadline: float = DEADLINE, topics: tuple[Topic, ...] = TOPICS
) -> AsyncIterator[KafkaPublisher]:
    counters = topic_counters(metrics, topics)
    log = KafkaPublisher(source, deadline=deadline, most_pending=10_000, counters=counters, clock=time.perf_counter)
    gc.freeze()  # as the service does: else each look through all that the tests have made holds the event loop up
    try:
        yield log
    finally:
        gc.unfreeze()
        await log.close()


async def publishes(log: KafkaPublisher, topic: str = "jobs", key: bytes = b"client", value: bytes = b"again") -> bool:
    """Say whether one message gets through."""
    try:
        await log.publish(topic, key, value, b"request")
    except QueueAway:
        return False
    return True


async def until_published(log: KafkaPublisher, within: float = 30.0, **message: Any) -> None:
    """Wait until such a message gets through."""
    async with asyncio.timeout(within):
        while not await publishes(log, **message):  # noqa: ASYNC110  (another process decides, there is no event)
            await asyncio.sleep(0.05)


class Fate(NamedTuple):
    """What became of one message: its value, whether it was acknowledged, and after how many seconds that was known."""

    value: bytes
    acknowledged: bool
    seconds: float


def longest(fates: Sequence[Fate]) -> str:
    """Return how long the fate of a message took to be known, at the most, beside the bar; fail without a deadline."""
    seconds = max(fate.seconds for fate in fates)
    assert seconds < PROTECTED
    refused = sum(not fate.acknowledged for fate in fates)
    return f"{refused} of {len(fates)} messages refused, the longest wait {seconds:.2f} s (bar: {REFUSED_WITHIN:g} s)"


class Load:
    """Messages at a steady rate, from `start` to `stop`, which returns their fates; seeded keys."""

    def __init__(self, log: KafkaPublisher, seed: int, rate: float = 200.0, topic: str = "jobs") -> None:
        self._log = log
        self._random = random.Random(seed)
        self._seed = seed
        self._rate = rate
        self._topic = topic
        self._sending: list[asyncio.Task[Fate]] = []
        self._pace: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._pace = asyncio.create_task(self._run())

    async def stop(self) -> list[Fate]:
        assert self._pace is not None
        self._pace.cancel()
        return await asyncio.gather(*self._sending)

    async def _run(self) -> None:
        started = time.perf_counter()
        while True:
            while len(self._sending) < (time.perf_counter() - started) * self._rate:
                key, number = self._random.choice(CLIENTS), len(self._sending)
                self._sending.append(asyncio.create_task(self._one(key, b"load-%d-%d" % (self._seed, number))))
            await asyncio.sleep(0.002)

    async def _one(self, key: bytes, value: bytes) -> Fate:
        started = time.perf_counter()
        done = await publishes(self._log, self._topic, key, value)
        return Fate(value, done, time.perf_counter() - started)
