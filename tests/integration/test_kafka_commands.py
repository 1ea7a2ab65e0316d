"""`lab kafka …` as a student types it, against a real broker."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer

from tests.eventually import eventually
from tests.kafka_server import KafkaServer, running_cluster, running_kafka

LAB = Path(sys.executable).parent / "lab"


class Client:
    """A person with a terminal and the address of a Kafka."""

    def __init__(self, servers: str) -> None:
        self.environment = {**os.environ, "LAB_KAFKA": servers}

    def lab(self, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [LAB, "kafka", *arguments],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def says(self, *arguments: str, stdin: str = "") -> str:
        done = self.lab(*arguments, stdin=stdin)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def facts(self, *arguments: str, stdin: str = "") -> Any:
        return json.loads(self.says(*arguments, "--json", stdin=stdin))

    def lines(self, *arguments: str, stdin: str = "") -> list[Any]:
        return [json.loads(line) for line in self.says(*arguments, "--json", stdin=stdin).splitlines()]

    @contextmanager
    def running(self, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
        """Start a command that goes on; when it is left, Ctrl-C ends it with exit code 0 and nothing on stderr."""
        command = [LAB, "kafka", *arguments]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, env=self.environment, stdout=pipe, stderr=pipe, text=True) as process:
            try:
                yield process
                process.send_signal(signal.SIGINT)
                _, errors = process.communicate(timeout=20)
                assert (process.returncode, errors) == (0, "")
            finally:
                process.kill()


@pytest.fixture
def client(kafka: KafkaServer) -> Client:
    return Client(kafka.servers)


@pytest.fixture
def topic(kafka: KafkaServer, request: pytest.FixtureRequest) -> str:
    """A topic of the test's own with three partitions."""
    name = f"lab-{request.node.name[:60]}"
    make_topic(kafka, name)
    return name


def make_topic(server: Any, name: str) -> None:
    with closing(server.admin()) as admin:
        admin.create_topics({name: {"num_partitions": 3}})
        admin.wait_for_topics([name])


@contextmanager
def member(servers: str, group: str, topic: str) -> Iterator[Any]:
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=servers,
        group_id=group,
        client_id="reader-1",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    with closing(consumer):
        yield consumer


def read_and_commit(consumer: Any, count: int) -> None:
    seen = 0

    def all_read() -> bool:
        nonlocal seen
        seen += sum(len(records) for records in consumer.poll(timeout_ms=100).values())
        return seen == count

    eventually(all_read, within=30, every=0, what=f"{count} messages")
    consumer.commit()


def next_line(process: "subprocess.Popen[str]") -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def test_topics_tell_leaders_replicas_and_offsets(client: Client, topic: str) -> None:
    client.says("produce", topic, "--key", "a", stdin="one\ntwo\n")
    mine = next(one for one in client.facts("topics") if one["name"] == topic)
    assert [part["number"] for part in mine["partitions"]] == [0, 1, 2]
    assert all((part["leader"], part["replicas"], part["in_sync"]) == (1, [1], [1]) for part in mine["partitions"])
    assert sorted(part["messages"] for part in mine["partitions"]) == [0, 0, 2]
    assert mine["messages"] == 2
    table = client.says("topics")
    assert table.splitlines()[0].split() == [
        "topic",
        "partition",
        "leader",
        "replicas",
        "in",
        "sync",
        "begin",
        "end",
        "messages",
    ]
    assert topic in table


def test_internal_topics_are_shown_when_asked_for(client: Client, kafka: KafkaServer, topic: str) -> None:
    with member(kafka.servers, f"group-of-{topic}", topic) as consumer:
        consumer.poll(timeout_ms=500)
    assert "__consumer_offsets" not in client.says("topics")
    assert "__consumer_offsets" in client.says("topics", "--internal")


def test_messages_of_one_key_share_a_partition_and_the_acknowledgement_says_where(client: Client, topic: str) -> None:
    stored = client.lines("produce", topic, "--key", "ana", stdin="one\n\ntwo\r\nthree")
    assert len({one["partition"] for one in stored}) == 1
    assert [one["offset"] for one in stored] == [0, 1, 2]
    assert client.says("produce", topic, "--key", "ana", "--value", "four") == f"{topic} {stored[0]['partition']} @ 3\n"
    assert [one["value"] for one in client.lines("tail", topic)] == ["one", "two", "three", "four"]


def test_a_message_comes_back_with_key_headers_time_and_value(client: Client, topic: str, tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text('{"model": "iris", "data": [[5.1, 3.5, 1.4, 0.2]]}\n')
    headers = ("--header", "request-id=r-1", "--header", "note=a=b")
    client.says("produce", topic, "--file", str(tmp_path / "job.json"), "--key", "eva", *headers)
    (seen,) = client.lines("tail", topic)
    assert (seen["topic"], seen["key"], seen["offset"]) == (topic, "eva", 0)
    assert seen["headers"] == [["request-id", "r-1"], ["note", "a=b"]]
    assert seen["value"] == {"model": "iris", "data": [[5.1, 3.5, 1.4, 0.2]]}
    assert seen["time"].startswith("20")
    shown = client.says("tail", topic).splitlines()
    assert shown[0].startswith(f"{topic} {seen['partition']} @ 0  20")
    assert shown[0].endswith("key eva")
    assert shown[1:] == [
        "  request-id: r-1",
        "  note: a=b",
        '  {"model": "iris", "data": [[5.1, 3.5, 1.4, 0.2]]}',
    ]


def test_the_tail_is_the_last_messages_of_all_partitions_in_order_of_time(client: Client, topic: str) -> None:
    for number in range(4):
        client.says("produce", topic, "--key", f"key-{number}", stdin=f"{number}-a\n{number}-b\n")
    assert len({one["partition"] for one in client.lines("tail", topic)}) > 1
    assert [one["value"] for one in client.lines("tail", topic, "-n", "3")] == ["2-b", "3-a", "3-b"]
    everything = client.lines("tail", topic, "--from-start")
    assert sorted(one["value"] for one in everything) == [f"{n}-{x}" for n in range(4) for x in "ab"]
    assert len(client.lines("tail", topic, "--from-start", "-n", "5")) == 5
    assert client.lines("tail", topic, "-n", "0") == []


def test_an_empty_topic_has_no_tail(client: Client, topic: str) -> None:
    assert client.says("tail", topic) == ""
    assert client.says("tail", topic, "--from-start") == ""


def test_following_shows_what_is_written_meanwhile_and_leaves_no_group(client: Client, topic: str) -> None:
    client.says("produce", topic, "--value", "before")
    before = {group["name"] for group in client.facts("groups")}
    with client.running("tail", topic, "-f", "--json") as process:
        assert next_line(process)["value"] == "before"
        client.says("produce", topic, "--value", "after")
        assert next_line(process)["value"] == "after"
        assert {group["name"] for group in client.facts("groups")} == before


def test_groups_tell_who_reads_what(client: Client, kafka: KafkaServer, topic: str) -> None:
    name = f"group-of-{topic}"

    def mine() -> Any:
        return next((group for group in client.facts("groups") if group["name"] == name), None)

    with member(kafka.servers, name, topic) as consumer:
        eventually(lambda: consumer.poll(timeout_ms=1000) or consumer.assignment(), within=60, what="joined")
        group = mine()
        assert (group["state"], group["assignor"]) == ("Stable", "range")
        (one,) = group["members"]
        assert (one["client"], one["host"], one["assigned"]) == ("reader-1", "127.0.0.1", {topic: [0, 1, 2]})
        assert f"{topic} 0,1,2" in client.says("groups")
        consumer.commit()
    assert (mine()["state"], mine()["members"]) == ("Empty", [])
    assert "no member" in client.says("groups")


def test_lag_is_what_is_written_and_not_committed(client: Client, kafka: KafkaServer, topic: str) -> None:
    name = f"group-of-{topic}"
    client.says("produce", topic, "--key", "a", stdin="1\n2\n3\n4\n5\n")
    with member(kafka.servers, name, topic) as consumer:
        eventually(lambda: consumer.poll(timeout_ms=1000, max_records=2), within=30, what="two messages")
        rows = client.facts("lag", name)
        assert {(row["committed"], row["client"]) for row in rows} == {(None, "reader-1")}
        assert sum(row["lag"] for row in rows) == 5
        consumer.commit()
        rows = client.facts("lag", name)
        assert [(row["group"], row["topic"], row["partition"]) for row in rows] == [(name, topic, n) for n in range(3)]
        assert sum(row["lag"] for row in rows) == 3
        assert all(row["lag"] == row["end"] - row["committed"] for row in rows)
    table = client.says("lag", name).splitlines()
    assert table[0].split() == ["group", "topic", "partition", "committed", "end", "lag", "read", "by"]
    assert table[-1].split() == ["all", "3"]


def test_watching_the_lag_shows_it_grow_until_ctrl_c(client: Client, kafka: KafkaServer, topic: str) -> None:
    name = f"group-of-{topic}"
    with member(kafka.servers, name, topic) as consumer:
        client.says("produce", topic, "--value", "0")
        read_and_commit(consumer, 1)
    with client.running("lag", name, "--watch", "--json") as process:
        assert sum(row["lag"] for row in next_line(process)) == 0
        client.says("produce", topic, stdin="1\n2\n3\n")
        eventually(lambda: sum(row["lag"] for row in next_line(process)) == 3, what="a lag of three")
    with client.running("lag", name, "-w") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("group")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("tail", "no-such"), "lab: no topic 'no-such'; there are: "),
        (("produce", "no-such", "--value", "x"), "lab: no topic 'no-such'; there are: "),
        (("lag", "no-such"), "lab: no group 'no-such'; there are: "),
        (("produce", "no-such", "--header", "x"), "lab: --header x: write NAME=VALUE"),
        (("produce", "no-such", "--file", "/no/such"), "lab: --file /no/such: No such file or directory"),
        (("produce", "no-such", "--file", "a", "--value", "b"), "lab: --value and --file are both given"),
    ],
)
def test_what_cannot_be_done_is_one_line(client: Client, arguments: tuple[str, ...], line: str) -> None:
    done = client.lab(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(line)
    assert "next: " in done.stderr or "such as" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_kafka_that_is_away_is_one_line() -> None:
    away = Client("127.0.0.1:9")
    commands = ("topics", "groups", "lag", "lag --watch", "tail jobs -f", "produce jobs --value x")
    with ThreadPoolExecutor(len(commands)) as at_once:
        for done in at_once.map(lambda arguments: away.lab(*arguments.split()), commands):
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr == "lab: kafka: no broker answers at 127.0.0.1:9; next: lab status\n"


@pytest.mark.faults
def test_a_frozen_kafka_is_one_line_and_watching_goes_on_when_it_is_back(tmp_path: Path) -> None:
    with running_kafka(tmp_path) as server:
        make_topic(server, "jobs")
        client = Client(server.servers)
        with member(server.servers, "workers", "jobs") as consumer:
            client.says("produce", "jobs", stdin="".join(f"{number}\n" for number in range(30)))
            read_and_commit(consumer, 30)
        command = [LAB, "kafka", "lag", "-w", "--json"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, env=client.environment, stdout=pipe, stderr=pipe, text=True) as watching:
            assert next_line(watching)
            server.freeze()
            for arguments in ("topics", "tail jobs", "produce jobs --value x"):
                done = client.lab(*arguments.split())
                assert done.returncode == 2
                assert done.stderr == f"lab: kafka: no broker answers at {server.servers}; next: lab status\n"
            server.thaw()
            client.says("produce", "jobs", "--value", "back")
            eventually(lambda: sum(row["lag"] for row in next_line(watching)) == 1, within=30, what="a fresh lag")
            watching.send_signal(signal.SIGINT)
            _, errors = watching.communicate(timeout=20)
        assert watching.returncode == 0
        assert "no broker answers" in errors
        assert "Traceback" not in errors


@pytest.mark.faults
def test_a_broker_that_is_killed_is_seen_by_its_replicas(tmp_path: Path) -> None:
    with running_cluster(tmp_path) as cluster:
        make_topic(cluster, "jobs")
        client = Client(cluster.servers)
        client.says("produce", "jobs", stdin="".join(f"{number}\n" for number in range(9)))
        eventually(lambda: len(cluster.in_sync("jobs")) == 3, within=30, what="all in sync")
        dead = cluster.leader("jobs")
        cluster.kill(dead)
        client.says("topics")  # at once, while the dead one is still named as a leader

        def partitions() -> Any:
            return next(one for one in client.facts("topics") if one["name"] == "jobs")["partitions"]

        eventually(
            lambda: all(part["leader"] != dead and dead not in part["in_sync"] for part in partitions()),
            within=40,
            what="new leaders, two in sync",
        )
        assert all(sorted(part["replicas"]) == [1, 2, 3] for part in partitions())
        assert sum(part["messages"] for part in partitions()) == 9
        assert len(client.lines("tail", "jobs", "--from-start")) == 9
        assert client.facts("groups") == []
