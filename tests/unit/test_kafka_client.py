"""What `lab kafka` computes and how it shows it; no broker."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaConnectionError, KafkaTimeoutError, NotLeaderForPartitionError
from rich.console import Console

from labkit.errors import CannotRun
from labkit.kafka import tables
from labkit.kafka.brokers import broker_names
from labkit.kafka.connection import bootstrap_servers, explanation
from labkit.kafka.facts import Lag, Member, Partition, group_names, lags, topics
from labkit.kafka.messages import message, parse_header


def record(**more: Any) -> ConsumerRecord:
    facts = dict.fromkeys(ConsumerRecord._fields) | {
        "topic": "jobs", "partition": 1, "offset": 7, "timestamp": 1_700_000_000_123, "headers": [],
    }  # fmt: skip
    return ConsumerRecord(**(facts | more))


def shown(what: Any) -> str:
    console = Console(width=200, no_color=True, highlight=False)
    with console.capture() as caught:
        console.print(what)
    return caught.get()


def test_json_is_read_and_other_bytes_are_shown_as_text() -> None:
    assert message(record(value=b'{"a": [1]}')).value == {"a": [1]}
    assert message(record(value="señal".encode())).value == "señal"
    assert message(record(value=b"\xff\x00a")).value == "\\xff\x00a"
    assert message(record(value=None)).value is None


def test_key_headers_and_place_are_kept() -> None:
    one = message(record(key=b"ana", value=b"x", headers=[("request-id", b"r"), ("empty", None), ("request-id", b"s")]))
    assert (one.key, one.place) == ("ana", "jobs/1/7")
    assert one.headers == (("request-id", "r"), ("empty", ""), ("request-id", "s"))
    assert ".123" in one.time


def test_nothing_in_a_message_can_steer_the_terminal() -> None:
    console = Console(width=200, no_color=True, highlight=False)
    evil = b"\x1b[2J[red]\x07\x9b"
    with console.capture() as caught:
        tables.print_message(message(record(key=evil, value=evil, headers=[("x", evil)])), console)
    text = caught.get()
    assert all(one.isprintable() or one == "\n" for one in text)
    assert text.count("\\x1b[2J[red]\\x07") == 3


def test_short_json_is_one_line_and_long_json_one_field_a_line() -> None:
    assert tables.pretty({"model": "iris"}) == '{"model": "iris"}'
    long = tables.pretty({"id": "x" * 100, "label": "ñ"}).splitlines()
    assert long[0] == "{"
    assert long[2:] == ['  "label": "ñ"', "}"]
    assert tables.pretty(None) == "(no value: a tombstone)"
    assert tables.pretty("text") == "text"


def test_a_header_is_a_name_and_a_value() -> None:
    assert parse_header("request-id=a=b") == ("request-id", b"a=b")
    assert parse_header("empty=") == ("empty", b"")
    for wrong in ("request-id", "=x", ""):
        with pytest.raises(CannotRun, match="write NAME=VALUE"):
            parse_header(wrong)


@pytest.mark.parametrize(
    ("committed", "begin", "end", "lag"),
    [
        (5, 0, 9, 4),
        (9, 0, 9, 0),
        (None, 3, 9, 6),
        (0, 0, 0, 0),
        (12, 0, 9, 0),
        (5, None, None, None),
        (None, None, 9, None),
    ],
)
def test_lag_counts_what_is_not_committed(
    committed: int | None, begin: int | None, end: int | None, lag: int | None
) -> None:
    assert Lag("g", "t", 0, None, committed, begin, end).lag == lag


def test_a_partition_without_a_leader_has_no_offsets_and_nobody_is_asked_for_them() -> None:
    asked: list[set[TopicPartition]] = []

    def list_partition_offsets(wanted: dict[TopicPartition, Any]) -> dict[TopicPartition, Any]:
        asked.append(set(wanted))
        return {key: SimpleNamespace(offset=4) for key in wanted}

    def part(number: int, leader: int) -> dict[str, Any]:
        return {"partition_index": number, "leader_id": leader, "replica_nodes": [2, 1], "isr_nodes": [2]}

    described = [{"name": "jobs", "is_internal": False, "partitions": [part(1, 2), part(0, -1)]}]
    client = SimpleNamespace(describe_topics=lambda: described, list_partition_offsets=list_partition_offsets)
    (topic,) = topics(client)
    assert topic.partitions == (Partition(0, None, (2, 1), (2,), None, None), Partition(1, 2, (2, 1), (2,), 4, 4))
    assert asked == [{TopicPartition("jobs", 1)}] * 2
    assert "none" in shown(tables.topics_table([topic]))


def test_a_leader_that_died_a_moment_ago_hides_only_its_own_offsets() -> None:
    def list_partition_offsets(wanted: dict[TopicPartition, Any]) -> dict[TopicPartition, Any]:
        if any(key.partition == 1 for key in wanted):
            raise KafkaConnectionError("refused")
        return {key: SimpleNamespace(offset=4) for key in wanted}

    parts = [{"partition_index": n, "leader_id": n, "replica_nodes": [0, 1], "isr_nodes": [0, 1]} for n in range(2)]
    described = [{"name": "jobs", "is_internal": False, "partitions": parts}]
    client = SimpleNamespace(describe_topics=lambda: described, list_partition_offsets=list_partition_offsets)
    (topic,) = topics(client)
    assert [(part.leader, part.end) for part in topic.partitions] == [(0, 4), (1, None)]
    assert topic.messages == 0


def test_a_broker_that_does_not_answer_hides_only_its_own_groups() -> None:
    def list_groups(broker_ids: list[int]) -> list[dict[str, str]]:
        if broker_ids == [2]:
            raise KafkaConnectionError("refused")
        return [{"group_id": f"of-{broker_ids[0]}"}]

    cluster = {"brokers": [{"broker_id": number} for number in (1, 2, 3)]}
    client = SimpleNamespace(describe_cluster=lambda: cluster, list_groups=list_groups)
    assert group_names(client) == ["of-1", "of-3"]
    cluster["brokers"] = [{"broker_id": 2}]
    with pytest.raises(KafkaConnectionError):
        group_names(client)


def test_without_groups_there_is_no_lag() -> None:
    client = SimpleNamespace(describe_cluster=lambda: {"brokers": []})
    assert lags(client) == ()
    with pytest.raises(CannotRun, match="no group 'workers'; there are: none yet"):
        lags(client, "workers")


def test_tables_say_what_is_missing() -> None:
    assert "-" in shown(tables.lag_table([Lag("g", "t", 0, None, None, None, None)]))
    assert "nobody" in shown(tables.lag_table([Lag("g", "t", 0, None, None, None, None)]))
    assert tables.reads({}) == "nothing"
    assert tables.reads(Member("c", "h", "m", {"jobs": (0, 1), "feedback": (2,)}).assigned) == "jobs 0,1  feedback 2"
    assert tables.in_sync(Partition(0, 1, (1, 2), (1,), 0, 0)) == "[red]1[/]"
    assert tables.in_sync(Partition(0, 1, (1, 2), (1, 2), 0, 0)) == "1,2"


def test_brokers_have_numbers() -> None:
    assert broker_names(["redis", "kafka", "worker-1"]) == {1: "kafka"}
    assert broker_names(["kafka-1", "kafka-2", "api-1"]) == {1: "kafka-1", 2: "kafka-2"}


def test_the_address_of_kafka_can_be_overridden_and_is_checked(tmp_path: Path) -> None:
    assert bootstrap_servers({"LAB_KAFKA": "a:1,b:2"}) == "a:1,b:2"
    for wrong in ("a", "a:b", ":1", "a:1,"):
        with pytest.raises(CannotRun, match="is no address of a broker; next: write host:port"):
            bootstrap_servers({"LAB_KAFKA": wrong})
    with pytest.raises(CannotRun, match="no stack is up here"):
        bootstrap_servers({"LAB_HOME": str(tmp_path)})
    with pytest.raises(CannotRun, match="this stack has no Kafka"):
        bootstrap_servers({"LAB_HOME": str(tmp_path), "LAB_SERVICE_URL": "http://elsewhere"})


def test_kafkas_errors_become_one_line_with_the_next_step() -> None:
    away = explanation(KafkaTimeoutError("Unable to bootstrap from a:1"), "a:1")
    assert away == "kafka: no broker answers at a:1; next: lab status"
    moved = explanation(NotLeaderForPartitionError("ListOffsets\nfailed"), "a:1")
    assert moved.startswith("kafka at a:1: ")
    assert "NotLeaderForPartitionError" in moved
    assert "\n" not in moved
    assert moved.endswith("next: try again in some seconds, lab status")
