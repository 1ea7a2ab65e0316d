"""What Kafka says about its topics and groups, as plain values."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient, OffsetSpec, TopicPartition
from kafka.errors import KafkaError, RetriableError, UnknownBrokerIdError

from labkit.errors import CannotRun

NO_LEADER = -1
AWAY = (RetriableError, UnknownBrokerIdError)  # what asking a broker that is dead brings, at first and later


@dataclass(frozen=True)
class Partition:
    """One partition; `begin` and `end` are the first offset that is kept and the next one to be written.

    Without a leader that answers nobody can tell the offsets: they are None.
    """

    number: int
    leader: int | None
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]
    begin: int | None
    end: int | None

    @property
    def messages(self) -> int | None:
        return None if self.begin is None or self.end is None else self.end - self.begin


@dataclass(frozen=True)
class Topic:
    name: str
    internal: bool
    partitions: tuple[Partition, ...]

    @property
    def messages(self) -> int:
        return sum(partition.messages or 0 for partition in self.partitions)


@dataclass(frozen=True)
class Member:
    """A consumer of a group, with the partitions that it reads now."""

    client: str
    host: str
    member: str
    assigned: dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Group:
    """A consumer group; `state` in Kafka's words: Stable, Empty, PreparingRebalance, CompletingRebalance, Dead."""

    name: str
    state: str
    assignor: str
    members: tuple[Member, ...]

    def reads(self) -> dict[tuple[str, int], str]:
        """Return which client reads a partition."""
        return {
            (topic, number): member.client
            for member in self.members
            for topic, numbers in member.assigned.items()
            for number in numbers
        }


@dataclass(frozen=True)
class Lag:
    """How far a group is behind in one partition; `committed` is None while it has never committed there."""

    group: str
    topic: str
    partition: int
    client: str | None
    committed: int | None
    begin: int | None
    end: int | None

    @property
    def lag(self) -> int | None:
        """Return the messages that are written and not committed; the worker begins at the first one that is kept."""
        from_ = self.begin if self.committed is None else self.committed
        return None if from_ is None or self.end is None else max(0, self.end - from_)


def topics(client: KafkaAdminClient, *, internal: bool = False) -> tuple[Topic, ...]:
    """Return every topic by name; Kafka's own ones only when asked for."""
    found = [topic for topic in client.describe_topics() if internal or not topic["is_internal"]]
    begins, ends = offsets(client, found)
    return tuple(
        Topic(
            topic["name"],
            topic["is_internal"],
            tuple(_partition(topic["name"], part, begins, ends) for part in sorted(topic["partitions"], key=_number)),
        )
        for topic in sorted(found, key=lambda topic: str(topic["name"]))
    )


def topic_named(client: KafkaAdminClient, name: str) -> Topic:
    """Return one topic; raises CannotRun with those that exist when it does not."""
    found = {topic.name: topic for topic in topics(client, internal=True)}
    if name not in found:
        known = ", ".join(one for one, topic in found.items() if not topic.internal) or "none yet"
        raise CannotRun(f"no topic {name!r}; there are: {known}; next: lab kafka topics")
    return found[name]


def offsets(
    client: KafkaAdminClient, described_topics: Iterable[dict[str, Any]]
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    """Return the first offset and the next one to be written, of each partition whose leader answers.

    A broker that died a moment ago is still named as leader: then these offsets are what nobody knows.
    """
    begins: dict[TopicPartition, int] = {}
    ends: dict[TopicPartition, int] = {}
    for partitions in by_leader(described_topics).values():
        for known, spec in ((begins, OffsetSpec.EARLIEST), (ends, OffsetSpec.LATEST)):
            try:
                found = client.list_partition_offsets(dict.fromkeys(partitions, spec))
            except AWAY:
                break
            known.update({key: at.offset for key, at in found.items()})
    return begins, ends


def by_leader(described_topics: Iterable[dict[str, Any]]) -> dict[int, list[TopicPartition]]:
    """Return which partitions each broker leads: only the leader knows their offsets."""
    found: dict[int, list[TopicPartition]] = {}
    for topic in described_topics:
        for part in topic["partitions"]:
            if part["leader_id"] != NO_LEADER:
                found.setdefault(part["leader_id"], []).append(TopicPartition(topic["name"], _number(part)))
    return found


def groups(client: KafkaAdminClient) -> tuple[Group, ...]:
    """Return every consumer group by name."""
    names = group_names(client)
    return described(client, names) if names else ()


def described(client: KafkaAdminClient, names: Iterable[str]) -> tuple[Group, ...]:
    """Return the named groups, members and assignments included."""
    found = client.describe_groups(list(names))
    return tuple(_group(found[name]) for name in sorted(found))


def group_names(client: KafkaAdminClient) -> list[str]:
    """Return the names of all groups: each broker knows its own; one that does not answer is passed over.

    Raises KafkaError when none answers.
    """
    names: set[str] = set()
    brokers = [broker["broker_id"] for broker in client.describe_cluster()["brokers"]]
    failure: KafkaError | None = None
    answers = 0
    for broker in brokers:
        try:
            names.update(group["group_id"] for group in client.list_groups(broker_ids=[broker]))
            answers += 1
        except AWAY as error:
            failure = error
    if failure is not None and not answers:
        raise failure
    return sorted(names)


def lags(client: KafkaAdminClient, group: str | None = None) -> tuple[Lag, ...]:
    """Return how far one group, or each, is behind in every partition that it reads or has read.

    Raises CannotRun when there is no such group.
    """
    names = group_names(client)
    if group is not None:
        if group not in names:
            raise CannotRun(f"no group {group!r}; there are: {', '.join(names) or 'none yet'}; next: lab kafka groups")
        names = [group]
    if not names:
        return ()
    committed = {
        (name, key): at.offset
        for name, found in client.list_group_offsets(names).items()
        for key, at in found.items()
        if at.offset >= 0
    }
    reads = {
        (group.name, TopicPartition(*key)): client_id
        for group in described(client, names)
        for key, client_id in group.reads().items()
    }
    rows = sorted(committed.keys() | reads.keys())
    read = {key.topic for _, key in rows}
    begins, ends = offsets(client, [topic for topic in client.describe_topics() if topic["name"] in read])
    return tuple(
        Lag(
            name,
            key.topic,
            key.partition,
            reads.get((name, key)),
            committed.get((name, key)),
            begins.get(key),
            ends.get(key),
        )
        for name, key in rows
    )


def _number(part: dict[str, Any]) -> int:
    number: int = part["partition_index"]
    return number


def _partition(
    topic: str, part: dict[str, Any], begins: dict[TopicPartition, int], ends: dict[TopicPartition, int]
) -> Partition:
    key = TopicPartition(topic, _number(part))
    leader = None if part["leader_id"] == NO_LEADER else part["leader_id"]
    replicas, in_sync = tuple(part["replica_nodes"]), tuple(sorted(part["isr_nodes"]))
    return Partition(key.partition, leader, replicas, in_sync, begins.get(key), ends.get(key))


def _group(found: dict[str, Any]) -> Group:
    members = []
    for member in found["members"]:
        assignment = member["member_assignment"] or {}
        assigned = {
            part["topic"]: tuple(sorted(part["partitions"])) for part in assignment.get("assigned_partitions", ())
        }
        members.append(
            Member(
                member["client_id"],
                member["client_host"].lstrip("/"),
                member["member_id"],
                dict(sorted(assigned.items())),
            )
        )
    members.sort(key=lambda member: (member.client, member.member))
    return Group(found["group_id"], found["group_state"], found["protocol_data"], tuple(members))
