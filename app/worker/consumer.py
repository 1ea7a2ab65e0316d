"""The consumer of the worker's group, set up so that a death on either side is over within seconds."""

from typing import Any

from kafka import KafkaConsumer
from kafka.structs import MemberState

# Any broker from this version on is spoken to in its words: the client need not ask first, and comes to life by itself
# when Kafka does.
_API_VERSION = (3, 9)
_REST_SECONDS = 0.05


def open_consumer(servers: str, group: str, client_id: str, most: int) -> Any:
    """Return a KafkaConsumer that has not subscribed yet; Kafka may be away. `most`: records of one poll."""
    consumer = KafkaConsumer(
        bootstrap_servers=servers.split(","),
        group_id=group,
        client_id=client_id,
        api_version=_API_VERSION,
        max_poll_records=most,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        # A killed worker's partitions go to the others after this time.
        session_timeout_ms=6000,
        heartbeat_interval_ms=1500,
        # How long a rebalance waits for a worker with a batch in hand; a batch is bounded by the sizes below.
        max_poll_interval_ms=30_000,
        fetch_max_bytes=4 << 20,
        max_partition_fetch_bytes=1 << 20,
        fetch_max_wait_ms=500,
        # A frozen broker is given up after this time; a SyncGroup may rightly take as long as a session.
        request_timeout_ms=7000,
        reconnect_backoff_max_ms=1000,
        # Topics may be made after the worker has started.
        metadata_max_age_ms=5000,
        allow_auto_create_topics=False,
        # TCP and the broker have checked them already; kafka-python would do it in Python, byte by byte.
        check_crcs=False,
        metrics_enabled=False,
    )
    _rest(consumer._coordinator)
    return consumer


def _rest(coordinator: Any) -> None:
    """Have every poll wait a moment for records.

    From the moment on when a heartbeat is due until the broker answers it or is given up, kafka-python 3.0 does not
    wait, but looks thousands of times a second. The heartbeats themselves are another thread's.
    """
    due = coordinator.time_to_next_poll
    coordinator.time_to_next_poll = lambda: max(due(), _REST_SECONDS)


def joined(consumer: Any) -> bool:
    """Say whether the consumer is a member of its group and knows the group's coordinator; any thread may ask."""
    if consumer.group_metadata().state != MemberState.STABLE:
        return False
    # No public face tells that the coordinator was lost.
    return consumer._coordinator.coordinator_id is not None
