"""The topics, made where they are missing: by whichever replica or worker comes first."""

import contextlib
import logging
from collections.abc import Iterable
from typing import Any, Final

from kafka import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from app.adapters.kafka_clients import REQUEST_MS, build
from app.core.errors import QueueAway
from app.core.topics import Topic

# A message may die with one broker: from three copies on, two must have it before it is acknowledged.
_COPIES_FOR_TWO_IN_SYNC: Final = 3

_log = logging.getLogger(__name__)


def in_sync_copies(replication: int) -> int:
    """Return how many replicas must have a message before it counts as accepted."""
    return 2 if replication >= _COPIES_FOR_TWO_IN_SYNC else 1


def make_missing(servers: str, topics: Iterable[Topic], *, replication: int, largest_message: int) -> list[str]:
    """Make the topics that Kafka does not have; return their names. `largest_message`: bytes.

    What is there stays as it is: more partitions would send a client's next messages elsewhere, before those that
    wait. A difference is logged. Safe to be called by several processes at once. Raises QueueAway.
    """
    wanted = {topic.name: topic for topic in topics}
    admin = build(KafkaAdminClient, servers, request_timeout_ms=REQUEST_MS)
    with contextlib.closing(admin):
        try:
            present = {one["name"]: one for one in admin.describe_topics(list(wanted)) if not one["error_code"]}
            for name in wanted.keys() & present.keys():
                _compare(wanted[name], len(present[name]["partitions"]), servers)
            return _make(
                admin, [topic for name, topic in wanted.items() if name not in present], replication, largest_message
            )
        except KafkaError as error:
            raise QueueAway(f"the topics {', '.join(wanted)} cannot be made sure of on {servers}: {error}") from error


def _compare(topic: Topic, partitions: int, servers: str) -> None:
    if partitions != topic.partitions:
        _log.warning(
            "topic %s on %s has %d partitions, %d are meant; it stays so: delete it while it is empty, or live with it",
            *(topic.name, servers, partitions, topic.partitions),
        )


def _make(admin: Any, topics: list[Topic], replication: int, largest_message: int) -> list[str]:
    if not topics:
        return []
    answer = admin.create_topics(
        {topic.name: _description(topic, replication, largest_message) for topic in topics}, raise_errors=False
    )
    for topic in answer["topics"]:
        error = for_code(topic["error_code"])
        if topic["error_code"] and error is not TopicAlreadyExistsError:
            raise error(f"{topic['name']}: {topic['error_message']}")
    return [topic["name"] for topic in answer["topics"] if not topic["error_code"]]


def _description(topic: Topic, replication: int, largest_message: int) -> dict[str, Any]:
    return {
        "num_partitions": topic.partitions,
        "replication_factor": replication,
        "configs": {
            "min.insync.replicas": str(in_sync_copies(replication)),
            "retention.ms": str(topic.retention_hours * 3_600_000),
            "max.message.bytes": str(largest_message),
            "unclean.leader.election.enable": "false",
        },
    }
