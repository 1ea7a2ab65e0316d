"""Publishing to a real Kafka: acknowledged means kept, and nobody waits longer than the deadline."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.adapters.kafka_batches import KafkaBatchPublisher
from app.adapters.kafka_topics import make_missing
from app.core.errors import QueueAway
from app.core.ports import Message
from app.core.topics import DEAD_LETTERS, REQUEST_ID, RESULTS, TOPICS, Topic
from app.telemetry.metrics import Metrics
from tests.eventually import eventually
from tests.kafka_publishers import (
    CLIENTS,
    DEADLINE,
    PROTECTED,
    Load,
    longest,
    producers,
    publisher,
    publishes,
    topic_counters,
    until_published,
)
from tests.kafka_server import KafkaServer


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KafkaServer]:
    """A broker of the test's own, not started yet."""
    with closing(KafkaServer(tmp_path)) as server:
        yield server


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def made(kafka: KafkaServer, topics: tuple[Topic, ...], **options: Any) -> list[str]:
    return make_missing(kafka.servers, topics, **{"replication": 1, "largest_message": 2_000_000} | options)


async def test_an_acknowledged_message_is_in_its_topic_with_key_value_and_request_id(
    kafka: KafkaServer, metrics: Metrics
) -> None:
    messages = {b"one-of-300-%d" % number: CLIENTS[number % 12] for number in range(300)}
    async with publisher(producers(kafka.servers), metrics) as log:
        await asyncio.gather(
            *(log.publish("jobs", key, value, b"request of " + value) for value, key in messages.items())
        )
        assert log.well
    records = [record for record in kafka.records("jobs") if record.value in messages]
    assert {record.value: record.key for record in records} == messages
    assert len(records) == len(messages), "an acknowledged message is there once"
    assert all(record.headers == [(REQUEST_ID, b"request of " + record.value)] for record in records)
    partitions = {(record.key, record.partition) for record in records}
    assert len(partitions) == len(CLIENTS), "a client's messages stay in one partition"
    assert {partition for _, partition in partitions} == {0, 1, 2}


async def test_what_is_published_is_counted_and_timed(kafka: KafkaServer, metrics: Metrics) -> None:
    async with publisher(producers(kafka.servers), metrics) as log:
        for _ in range(5):
            await log.publish("feedback", b"client", b"{}", b"request")
    assert metrics.counter("messages_published_total", "feedback", "acknowledged").value == 5
    assert metrics.counter("messages_published_total", "feedback", "failed").value == 0
    assert sum(metrics.histogram("message_publish_seconds", "feedback").counts) == 5


async def test_a_body_of_the_largest_size_gets_through_and_a_larger_one_is_refused_alone(
    kafka: KafkaServer, metrics: Metrics
) -> None:
    async with publisher(producers(kafka.servers), metrics) as log:
        largest, beyond = asyncio.create_task(publishes(log, value=b"l" * (1 << 20))), (b"b" * (2 << 20))
        assert not await publishes(log, value=beyond)
        assert await largest
        assert await publishes(log)


def test_many_at_once_make_a_topic_once(kafka: KafkaServer) -> None:
    topics = (Topic("made-at-once", 3, 24), Topic("made-at-once.dlq", 1, 48))
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: made(kafka, topics), range(8)))
    assert Counter(name for names in answers for name in names) == {topic.name: 1 for topic in topics}
    assert made(kafka, topics) == []
    with closing(kafka.admin()) as admin:
        described = {one["name"]: len(one["partitions"]) for one in admin.describe_topics([one.name for one in topics])}
    assert described == {"made-at-once": 3, "made-at-once.dlq": 1}


def test_a_topic_that_differs_stays_as_it_is_and_is_told_of(
    kafka: KafkaServer, caplog: pytest.LogCaptureFixture
) -> None:
    made(kafka, (Topic("smaller", 1, 24),))
    assert made(kafka, (Topic("smaller", 3, 24),)) == []
    assert "topic smaller" in caplog.text
    assert "has 1 partitions, 3 are meant" in caplog.text
    with closing(kafka.admin()) as admin:
        (described,) = admin.describe_topics(["smaller"])
    assert len(described["partitions"]) == 1


async def test_a_topic_that_was_deleted_is_made_again(kafka: KafkaServer, metrics: Metrics) -> None:
    topics = (*TOPICS, Topic("deleted", 2, 24))
    async with publisher(producers(kafka.servers, topics=topics), metrics, topics=topics) as log:
        assert await publishes(log, "deleted")
        with closing(kafka.admin()) as admin:
            admin.delete_topics(["deleted"])
        await until_published(log, topic="deleted", value=b"afterwards")
    assert b"afterwards" in [record.value for record in kafka.records("deleted")]


def test_batches_are_in_their_topics_when_publish_returns(kafka: KafkaServer, metrics: Metrics) -> None:
    batch = KafkaBatchPublisher(producers(kafka.servers), DEADLINE, topic_counters(metrics), time.perf_counter)
    with closing(batch):
        batch.publish(RESULTS, [Message(b"client", b"result-%d" % number, []) for number in range(500)])
        batch.publish(DEAD_LETTERS, [Message(None, b"poison", [("dead-letter-reason", b"unreadable")])])
    values = [record.value for record in kafka.records(RESULTS) if record.value.startswith(b"result-")]
    assert values == [b"result-%d" % number for number in range(500)]
    assert [(r.key, r.value) for r in kafka.records(DEAD_LETTERS) if r.value == b"poison"] == [(None, b"poison")]
    assert metrics.counter("messages_published_total", RESULTS, "acknowledged").value == 500


@pytest.mark.faults
async def test_away_at_the_start_refuses_in_time_and_recovers_by_itself(broker: KafkaServer, metrics: Metrics) -> None:
    async with publisher(producers(broker.servers), metrics) as log:
        async with asyncio.timeout(PROTECTED):
            assert not await publishes(log)
        assert not log.well
        broker.launch()
        await until_published(log, within=60)
        assert log.well
    assert metrics.counter("messages_published_total", "jobs", "failed").value >= 1


@pytest.mark.faults
async def test_while_kafka_is_away_messages_are_refused_at_once(broker: KafkaServer, metrics: Metrics) -> None:
    async with publisher(producers(broker.servers), metrics) as log:
        assert not await publishes(log)
        # One by one they would wait for 300 deadlines; one each quarter of a second may find out whether Kafka is back.
        async with asyncio.timeout(30 * DEADLINE):
            outcomes = [await publishes(log) for _ in range(300)]
        assert not any(outcomes)


@pytest.mark.faults
def test_a_batch_is_refused_while_kafka_is_away_and_published_afterwards(mortal: KafkaServer, metrics: Metrics) -> None:
    batch = KafkaBatchPublisher(producers(mortal.servers), DEADLINE, topic_counters(metrics), time.perf_counter)

    def publish(value: bytes) -> None:
        batch.publish(RESULTS, [Message(b"client", value, [])])

    with closing(batch):
        mortal.freeze()
        with pytest.raises(QueueAway):
            publish(b"frozen at the start")
        mortal.thaw()
        publish(b"thawed")
        mortal.freeze()
        with pytest.raises(QueueAway):
            publish(b"frozen")
        mortal.thaw()
        publish(b"thawed again")
        mortal.kill()
        with pytest.raises(QueueAway):
            publish(b"killed")
        mortal.start()
        publish(b"started")
    assert {record.value for record in mortal.records(RESULTS)} >= {b"thawed", b"thawed again", b"started"}


OUTAGES: dict[str, tuple[Callable[[KafkaServer], None], Callable[[KafkaServer], None]]] = {
    "killed": (KafkaServer.kill, KafkaServer.launch),
    "frozen": (KafkaServer.freeze, KafkaServer.thaw),
}


@pytest.mark.faults
@pytest.mark.parametrize("outage", OUTAGES)
async def test_an_outage_under_load_loses_nothing_acknowledged_and_lets_nobody_wait(
    mortal: KafkaServer, metrics: Metrics, outage: str, figure: Callable[[str], None]
) -> None:
    strike, mend = OUTAGES[outage]
    async with publisher(producers(mortal.servers), metrics) as log:
        await until_published(log)
        load = Load(log, seed=list(OUTAGES).index(outage))
        load.start()
        await asyncio.sleep(1.0)
        await asyncio.to_thread(strike, mortal)
        await asyncio.to_thread(eventually, lambda: not log.well, within=60, what="the outage is noticed")
        mend(mortal)
        await until_published(log, within=60)
        await asyncio.sleep(1.0)
        fates = await load.stop()
    acknowledged = [fate.value for fate in fates if fate.acknowledged]
    kept = Counter(record.value for record in mortal.records("jobs"))
    lost = [value for value in acknowledged if not kept[value]]
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged messages are not in the topic"
    figure(f"the only broker {outage}: {longest(fates)}")
    assert len(acknowledged) < len(fates), "the outage was one"
    assert fates[-1].acknowledged, "after the outage messages are accepted again"


@pytest.mark.faults
async def test_without_the_deadline_messages_would_wait_for_a_frozen_broker(
    mortal: KafkaServer, metrics: Metrics
) -> None:
    """The control of the test above."""
    async with publisher(producers(mortal.servers, deadline=30), metrics, deadline=30) as log:
        await until_published(log)
        mortal.freeze()
        waiting = asyncio.create_task(publishes(log))
        done, _ = await asyncio.wait([waiting], timeout=PROTECTED)
        assert not done
        mortal.thaw()
        assert await waiting


@pytest.mark.faults
async def test_closing_does_not_wait_for_a_frozen_broker(mortal: KafkaServer, metrics: Metrics) -> None:
    async with publisher(producers(mortal.servers), metrics) as log:
        await until_published(log)
        mortal.freeze()
        waiting = asyncio.create_task(publishes(log))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(15):
            await log.close()
        assert not await waiting
    eventually(
        lambda: "kafka-publisher" not in [one.name for one in threading.enumerate()], what="the thread has ended"
    )
