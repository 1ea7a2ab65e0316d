"""A broker that stands still costs no processor time: clients wait for it, they do not look again and again."""

import asyncio
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.consumer.fetcher import Fetcher
from kafka.net.compat import KafkaNetClient

from app.adapters import kafka_clients
from app.core.errors import Away
from app.telemetry.metrics import Metrics
from app.worker import consumer as worker_consumer
from app.worker.loop import PollLoop
from tests.kafka_publishers import Load, producers, publisher, until_published
from tests.kafka_server import KafkaServer

pytestmark = pytest.mark.faults

STANDS_STILL_SECONDS = 4.0
FEW = 1000
"""Looks at the network in a second; a client that does not rest has ten thousands, or thousands, of them."""


@pytest.fixture
def broker(mortal: KafkaServer) -> KafkaServer:
    producers(mortal.servers).current().close()  # makes the topics
    return mortal


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts how often a producer and a consumer look."""
    counted: Counter[str] = Counter()

    def count(owner: Any, method: str, name: str) -> None:
        original = getattr(owner, method)

        def counting(*args: Any, **kwargs: Any) -> Any:
            counted[name] += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, method, counting)

    count(KafkaNetClient, "poll", "producer")
    count(Fetcher, "fetch_records", "consumer")
    return counted


async def published(broker: KafkaServer, looks: Counter[str]) -> float:
    """Return the looks in a second while messages come and the broker stands still."""
    async with publisher(producers(broker.servers), Metrics()) as log:
        await until_published(log)
        load = Load(log, seed=1, rate=50)
        load.start()
        await asyncio.to_thread(broker.freeze)
        looks.clear()
        await asyncio.sleep(STANDS_STILL_SECONDS)
        found = looks["producer"] / STANDS_STILL_SECONDS
        broker.thaw()
        await load.stop()
    return found


class Strikes:
    """A handler whose first record finds the broker standing still: it cannot be handled now."""

    topic = "jobs"

    def __init__(self, broker: KafkaServer) -> None:
        self.struck = threading.Event()
        self._broker = broker

    def handle(self, records: list[Any]) -> None:
        if not self.struck.is_set():
            self._broker.freeze()
            self.struck.set()
            raise Away("nothing can be stored")


def consumed(broker: KafkaServer, looks: Counter[str]) -> float:
    """Return the same for a member of the worker's group that has nothing to do."""
    consumer = worker_consumer.open_consumer(broker.servers, "still", "test", 500)
    with closing(consumer):
        consumer.subscribe(["jobs"])
        while not worker_consumer.joined(consumer):
            consumer.poll(timeout_ms=200)
        broker.freeze()
        for _ in range(15):  # heartbeats come due
            consumer.poll(timeout_ms=200)
        looks.clear()
        for _ in range(10):
            consumer.poll(timeout_ms=200)
        found = looks["consumer"] / 2
        broker.thaw()
    return found


async def test_a_producer_rests_while_the_broker_stands_still(broker: KafkaServer, looks: Counter[str]) -> None:
    assert await published(broker, looks) < FEW


async def test_without_its_rest_it_looks_ten_thousands_of_times_a_second(
    broker: KafkaServer, looks: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control."""
    monkeypatch.setattr(kafka_clients, "_REST_MS", 0)
    assert await published(broker, looks) > FEW


def test_a_worker_rests_while_the_broker_stands_still(broker: KafkaServer, looks: Counter[str]) -> None:
    assert consumed(broker, looks) < FEW / 10


def test_a_worker_that_put_records_back_rests_until_they_come_again(broker: KafkaServer) -> None:
    turns: list[float] = []
    handler = Strikes(broker)
    loop = PollLoop(
        lambda: worker_consumer.open_consumer(broker.servers, "put-back", "test", 500),
        [handler],
        Metrics(),
        most=500,
        retry_seconds=0.5,
        before_poll=lambda: turns.append(time.monotonic()),
    )
    with ThreadPoolExecutor(1) as thread, closing(KafkaProducer(bootstrap_servers=broker.servers)) as producer:
        running = thread.submit(loop.run)
        try:
            producer.send("jobs", b"comes back").get(10)
            assert handler.struck.wait(30)
            time.sleep(1.0)  # the pause is over
            turns.clear()
            time.sleep(STANDS_STILL_SECONDS)
            assert len(turns) / STANDS_STILL_SECONDS < FEW / 10
        finally:
            broker.thaw()
            loop.stop()
            running.result(30)


def test_without_its_rest_it_looks_thousands_of_times_a_second(
    broker: KafkaServer, looks: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control."""
    monkeypatch.setattr(worker_consumer, "_REST_SECONDS", 0)
    assert consumed(broker, looks) > FEW / 10
