"""Publishing to three brokers, one of which dies: what is acknowledged survives it, the other partitions go on."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from kafka.admin import ConfigResource

from app.telemetry.metrics import Metrics
from tests.eventually import eventually
from tests.kafka_publishers import CLIENTS, Load, longest, producers, publisher, publishes, until_published
from tests.kafka_server import KafkaCluster, running_cluster

pytestmark = pytest.mark.faults

# A follower's fetch waits so long at the leader (seconds; replica.fetch.wait.max.ms, Kafka's default).
_LONGEST_FETCH = 0.5

STRIKES: dict[str, tuple[Callable[[KafkaCluster, int], None], Callable[[KafkaCluster, int], None]]] = {
    "killed": (KafkaCluster.kill, KafkaCluster.launch),
    "frozen": (KafkaCluster.freeze, KafkaCluster.thaw),
}


@pytest.fixture(scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(_shared: KafkaCluster) -> Iterator[KafkaCluster]:
    """Three brokers that may be struck: all are well and in sync again for the next test."""
    yield _shared
    _shared.mend()
    eventually(lambda: all(len(_shared.in_sync("jobs", one)) == 3 for one in range(3)), within=60, what="all in sync")


@pytest.mark.parametrize("strike", STRIKES)
async def test_the_loss_of_a_leader_loses_nothing_acknowledged_and_others_go_on(
    cluster: KafkaCluster, strike: str, figure: Callable[[str], None]
) -> None:
    hit, mend = STRIKES[strike]
    async with publisher(producers(cluster.servers, replication=3), Metrics()) as log:
        await until_published(log)
        leader = await asyncio.to_thread(cluster.leader, "jobs")
        load = Load(log, seed=40 + list(STRIKES).index(strike))
        load.start()
        await asyncio.sleep(1.0)
        await asyncio.to_thread(hit, cluster, leader)
        for key in CLIENTS:
            await until_published(log, key=key)
        mend(cluster, leader)
        await asyncio.sleep(1.0)
        fates = await load.stop()
        for key in CLIENTS:
            await until_published(log, key=key)
    acknowledged = [fate.value for fate in fates if fate.acknowledged]
    kept = Counter(record.value for record in await asyncio.to_thread(cluster.records, "jobs"))
    lost = [value for value in acknowledged if not kept[value]]
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged messages are not in the topic"
    figure(f"leading broker {strike}: {longest(fates)}, {len(lost)} lost")


async def in_need(cluster: KafkaCluster, value: bytes, acks: str | int) -> bool:
    """Publish when only the leader of the partition is left, then lose it too; say whether it was acknowledged."""
    async with publisher(producers(cluster.servers, replication=3, acks=acks), Metrics()) as log:
        await until_published(log, key=CLIENTS[0])
        (partition,) = {record.partition for record in cluster.records("jobs") if record.key == CLIENTS[0]}
        leader = cluster.leader("jobs", partition)
        others = {1, 2, 3} - {leader}
        for number in others:
            cluster.freeze(number)
        await asyncio.sleep(2 * _LONGEST_FETCH)  # else the fetch that a follower has waiting takes the message along
        acknowledged = await publishes(log, key=CLIENTS[0], value=value)
    cluster.kill(leader)
    for number in others:
        cluster.thaw(number)
    eventually(lambda: cluster.leader("jobs", partition) in others, within=60, what="one of the others leads")
    return acknowledged


async def test_below_two_copies_nothing_is_acknowledged(cluster: KafkaCluster) -> None:
    assert not await in_need(cluster, b"in need", "all")


async def test_with_one_acknowledgement_an_accepted_message_would_be_lost(cluster: KafkaCluster) -> None:
    """The control: without acks=all the leader alone says yes, and dies with it."""
    assert await in_need(cluster, b"accepted carelessly", 1)
    assert b"accepted carelessly" not in [record.value for record in cluster.records("jobs")]


def test_topics_of_a_cluster_want_two_copies_in_sync(cluster: KafkaCluster) -> None:
    producers(cluster.servers, replication=3).current().close()
    with closing(cluster.admin()) as admin:
        (topic,) = admin.describe_topics(["jobs"])
        assert {len(one["replica_nodes"]) for one in topic["partitions"]} == {3}
        described = admin.describe_configs([ConfigResource("topic", "jobs")])
    assert described["topic"]["jobs"]["min.insync.replicas"]["value"] == "2"
