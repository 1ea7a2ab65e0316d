"""The checks of lab 03: what Kafka itself has stored and knows, held against what the student's programs noted."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource
from kafka.errors import KafkaError

from labkit.check.finding import Finding, judged
from labkit.course.evidence.json_lines import json_lines
from labkit.course.work import Work
from labkit.kafka.commits import before_set_back
from labkit.kafka.snapshot import Snapshot
from labkit.kafka.stored import Stored, counted_by_producers, leader_changes
from labkit.marks import marks

TOPIC = "trucks"
GROUPS = ("dashboard", "billing")
LEAST_ROUNDS = 100  # reports of each truck: one drive and a bit
AT_ONCE = 15.0  # seconds between two messages that are written one after the other, a change of leaders in between
KILL_TAKES = 5.0  # at the most, from the mark of a kill to its effect
PROBE_READS = 60  # more than a batch of 50, less than two
PROBE_WITHIN = 10.0


@pytest.fixture(scope="module")
def cluster(work: Work) -> Snapshot:
    """What Kafka says, asked once for all checks."""
    return Snapshot(work.urls.kafka or "", TOPIC)


def check_each_partition_has_three_copies_in_sync(work: Work, cluster: Snapshot) -> Finding:
    """The topic has the student's partitions; each lies on three brokers that all have everything."""
    wanted = work.numbers["PARTITIONS"]
    expected = (
        f"the topic {TOPIC}: {wanted} partitions (PARTITIONS in task.env), 3 copies of each, min.insync.replicas 2 set "
        "on the topic, all copies in sync, each of the three brokers leads some"
    )
    if cluster.topic is None:
        return _no_topic(work, cluster, expected)
    parts = cluster.topic.partitions
    copies = {len(part.replicas) for part in parts}
    config = ConfigResource("topic", TOPIC)
    settings = cluster.ask(lambda client: client.describe_configs([config]))["topic"][TOPIC]
    own = settings.get("min.insync.replicas", {})
    minimum = own.get("value") if own.get("config_source") == "DYNAMIC_TOPIC_CONFIG" else "not set"
    behind = [part.number for part in parts if set(part.in_sync) != set(part.replicas)]
    leaders = {part.leader for part in parts if part.leader is not None}
    right = len(parts) == wanted and copies == {3} and minimum == "2"
    seen = (
        f"{len(parts)} partitions, {_listed(copies)} copies, min.insync.replicas {minimum}, "
        f"{f'not in sync: partition {_listed(behind)}' if behind else 'all in sync'}, leaders: {_listed(leaders)}"
    )
    return judged(
        right and not behind and leaders == {1, 2, 3},
        expected=expected,
        seen=seen,
        next_step="lab kafka topics; is a broker still away (lab status)? Its partitions come back within 10 s"
        if right
        else f"the three blanks of {work.shown}/topic.py, then python {work.shown}/topic.py --again",
    )


def check_every_message_was_written_with_acks_all(work: Work, cluster: Snapshot) -> Finding:
    """Kafka counts the messages of producers that wait for all copies: these are all that there are."""
    expected = "all messages of the topic written by producers with acks=all: only of those does Kafka keep a count"
    if cluster.topic is None:
        return _no_topic(work, cluster, expected)
    topic = cluster.topic
    counted = cluster.ask(lambda client: counted_by_producers(client, topic))
    total = len(cluster.messages)
    written = sum(min(counted.get(number, 0), count) for number, count in _by_partition(cluster.messages).items())
    return judged(
        total > 0 and written == total,
        expected=expected,
        seen=f"{written:,} of {total:,} messages were",
        next_step=f"acks in {work.shown}/produce.py; the old messages stay careless: topic.py --again, produce.py",
    )


def check_nothing_acknowledged_is_lost(work: Work, cluster: Snapshot) -> Finding:
    """Each message that was acknowledged lies where the acknowledgement said, and no truck's numbers have a gap."""
    noted = json_lines(work.folder / "sent.jsonl")
    acknowledged = {place(one): (one.get("truck"), one.get("seq")) for one in noted if "offset" in one}
    least = work.numbers["TRUCKS"] * LEAST_ROUNDS
    kept = {(one.partition, one.offset): report(one) for one in cluster.messages}
    lost = [where for where, what in acknowledged.items() if kept.get(where) != what]
    refused = {(one.get("truck"), one.get("seq")) for one in noted if "error" in one}
    gaps = _numbers_up_to_the_last(kept.values()) - set(kept.values()) - refused
    ends = sum(part.end or 0 for part in cluster.topic.partitions) if cluster.topic else 0
    first = f"; the first: partition {lost[0][0]}, offset {lost[0][1]}" if lost else ""
    return judged(
        not lost and not gaps and len(acknowledged) >= least,
        expected=f"{least:,} messages or more acknowledged, 0 of them lost, no number missing in a truck's reports",
        seen=f"{len(acknowledged):,} acknowledged in sent.jsonl, {len(lost)} of them not in Kafka{first}; "
        f"the partitions end at {ends:,} together, {len(gaps)} numbers missing",
        next_step=f"python {work.shown}/audit.py; messages of an earlier topic: topic.py --again, then send anew"
        if lost or gaps
        else f"lab serve 03 --only gps: the trucks drive for 20 s; then {work.shown}/logs/gps.log",
    )


def check_each_truck_keeps_to_one_partition_in_order(work: Work, cluster: Snapshot) -> Finding:
    """The keys that are stored: each truck's messages lie in one partition, in the order in which they were sent."""
    trucks = work.numbers["TRUCKS"]
    expected = (
        f"{trucks} trucks (TRUCKS in task.env), each message keyed by its truck, each truck in exactly one partition, "
        "its numbers rising"
    )
    if cluster.topic is None:
        return _no_topic(work, cluster, expected)
    places: dict[str, set[int]] = defaultdict(set)
    last: dict[tuple[str, int], int] = {}
    backwards = unkeyed = 0
    for one in cluster.messages:
        truck, seq = report(one)
        places[truck].add(one.partition)
        unkeyed += one.key != truck
        backwards += seq <= last.get((truck, one.partition), 0)
        last[truck, one.partition] = seq
    scattered = sorted(truck for truck, found in places.items() if len(found) > 1)
    example = f" ({scattered[0]}: {_listed(places[scattered[0]])})" if scattered else ""
    return judged(
        len(places) == trucks and not (scattered or backwards or unkeyed),
        expected=expected,
        seen=f"{len(places)} trucks; {unkeyed:,} messages without their truck as key; "
        f"{len(scattered)} trucks in several partitions{example}; {backwards} numbers not higher than the one before",
        next_step=f"key= in {work.shown}/produce.py, then topic.py --again and produce.py; lab kafka tail {TOPIC}",
    )


def check_a_leader_died_while_trucks_were_reporting(work: Work, cluster: Snapshot) -> Finding:
    """The student's broker was killed during a drive, and a new leader took the next message at once."""
    name = f"kafka-{work.numbers['BROKER']}"
    expected = (
        f"{name} (BROKER in task.env) killed during a drive: in a partition that it led, the next message was "
        f"taken by another leader within {AT_ONCE:.0f} s"
    )
    killed = [mark.time for mark in marks(work.home, 0, time.time()) if mark.text == f"{name} killed"]
    step = f"lab serve 03 --only gps; sleep 2; lab kafka kill {work.numbers['BROKER']}"
    if not killed:
        return judged(False, expected=expected, seen=f"{name} was never killed in this stack", next_step=step)
    for before, after in leader_changes(cluster.messages):
        when = next((at for at in killed if before.at - KILL_TAKES <= at <= after.at + 1), None)
        if when is not None and after.at - before.at <= AT_ONCE:
            seen = (
                f"{name} killed at {time.strftime('%H:%M:%S', time.localtime(when))}; partition {before.partition}: "
                f"offset {before.offset} in leader epoch {before.epoch}, {after.offset} in epoch {after.epoch}, "
                f"{after.at - before.at:.1f} s later"
            )
            return judged(True, expected=expected, seen=seen, next_step=step)
    return judged(
        False,
        expected=expected,
        seen=f"{name} was killed, and no partition of {TOPIC} changed its leader between two messages then",
        next_step=step,
    )


def check_both_groups_have_read_everything(work: Work, cluster: Snapshot) -> Finding:
    """Committed offsets stand at the end, and the files of both groups have every message that is stored."""
    expected = "the groups dashboard and billing: lag 0 in each partition, each stored message in the group's files"
    missing = [name for name in GROUPS if name not in cluster.groups]
    if missing or not cluster.messages:
        return judged(
            False,
            expected=expected,
            seen=f"Kafka knows no group {' and no group '.join(missing)}" if missing else "no message is stored",
            next_step=f"{work.shown}/Procfile, then lab serve 03; lab kafka groups",
        )
    told, good = [], True
    there = {(one.partition, one.offset) for one in cluster.messages}
    for group in GROUPS:
        rows = cluster.lags(group)
        behind = sum(
            count if (row := rows.get(number)) is None or row.committed is None else row.lag or 0
            for number, count in _by_partition(cluster.messages).items()
        )
        unread = len(there - read_by(work, group).keys())
        told.append(f"{group}: lag {behind}, {len(there) - unread:,} of {len(there):,} messages in its files")
        good = good and not behind and not unread
    return judged(
        good,
        expected=expected,
        seen="; ".join(told),
        next_step="lab kafka lag; is somebody reading (lab serve 03)? While the trucks drive, a small lag is right",
    )


def check_two_members_share_billing(work: Work, cluster: Snapshot) -> Finding:
    """Kafka has given each partition to exactly one of two members that read now."""
    total = work.numbers["PARTITIONS"]
    group = cluster.groups.get("billing")
    shares = [one.assigned.get(TOPIC, ()) for one in group.members] if group else []
    read = Counter(number for share in shares for number in share)
    told = " | ".join(_listed(share) or "nothing" for share in shares) or "nobody"
    seen = f"billing is {group.state}; who reads which partitions: {told}" if group else "Kafka knows no group billing"
    return judged(
        len(shares) == 2 and all(shares) and sorted(read) == list(range(total)) and set(read.values()) == {1},
        expected=f"two members of billing that read now, partitions 0 to {total - 1} each with exactly one of them",
        seen=seen,
        next_step=f"two lines of the same group in {work.shown}/Procfile, then lab serve 03; lab kafka groups",
    )


def check_billing_was_set_back_and_read_again(work: Work, cluster: Snapshot) -> Finding:
    """Kafka's record of commits goes back to the first message, and the files have what came before it twice."""
    expected = "billing's commits go back to the first message in each partition, all before it is read a second time"
    history = cluster.commits("billing")
    if not history:
        return judged(
            False,
            expected=expected,
            seen="billing has committed no offset",
            next_step=f"lab serve 03, then lab serve 03 --stop and python {work.shown}/rewind.py billing",
        )
    before = {number: before_set_back(offsets) for number, offsets in history.items()}
    again = {(number, offset) for number, reached in before.items() for offset in range(reached)}
    times = read_by(work, "billing")
    twice, once = (sum(times[one] >= least for one in again) for least in (2, 1))
    untouched = [n for n in _by_partition(cluster.messages) if not before.get(n)]
    return judged(
        bool(again) and twice == once == len(again) and not untouched,
        expected=expected,
        seen=f"set back after {len(again):,} messages; of these read once {once:,}, read twice {twice:,}"
        if again
        else f"commits of {len(history)} partitions, none goes back to the first message",
        next_step=f"lab serve 03 --stop, python {work.shown}/rewind.py billing, lab serve 03, lab kafka lag billing",
    )


def check_offsets_are_committed_after_the_work(work: Work, cluster: Snapshot) -> Finding:
    """The student's consumer, stopped in the middle of a batch, has committed nothing that it has not done."""
    expected = (
        "your consume.py in a new group, stopped in its second batch of 50: it began at the first message, committed "
        "the first batch, and nothing that is not in its file"
    )
    step = f"enable_auto_commit, auto_offset_reset and the place of commit(consumer) in {work.shown}/consume.py"
    if len(cluster.messages) < 3 * PROBE_READS:
        seen = f"{len(cluster.messages)} messages to read" if cluster.topic else f"Kafka has no topic {TOPIC}"
        return judged(False, expected=expected, seen=seen, next_step=f"python {work.shown}/produce.py, then again")
    group = f"check-{os.getpid()}"
    with TemporaryDirectory() as folder:
        said = _read_a_little(work, group, Path(folder))
        done = Counter(one.get("partition") for one in json_lines(Path(folder) / "probe.jsonl"))
    committed = _taken_back(cluster, group)
    ahead = sum(max(0, offset - done[number]) for number, offset in committed.items())
    if not done:
        return judged(False, expected=expected, seen=f"it read nothing; it said: {said or 'nothing'}", next_step=step)
    return judged(
        sum(committed.values()) > 0 and not ahead,
        expected=expected,
        seen=f"{sum(done.values())} messages done, {sum(committed.values())} committed, {ahead} of them not done",
        next_step=step,
    )


def _read_a_little(work: Work, group: str, folder: Path) -> str:
    """Run the student's consumer until it has done some of its second batch; return its last words."""
    command = [sys.executable, "consume.py", "--group", group, "--member", "probe", "--work", "0.03"]
    with (folder / "said").open("wb") as output:
        process = subprocess.Popen(
            [*command, "--into", str(folder)], cwd=work.folder, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            deadline = time.monotonic() + PROBE_WITHIN
            while process.poll() is None and time.monotonic() < deadline:
                if len(json_lines(folder / "probe.jsonl")) >= PROBE_READS:
                    break
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(PROBE_WITHIN)
        finally:
            process.kill()
            process.wait()
    return (folder / "said").read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2][:200]


def _taken_back(cluster: Snapshot, group: str) -> dict[int, int]:
    """Return what the group of the probe has committed, and delete it."""

    def question(client: KafkaAdminClient) -> dict[int, int]:
        found = client.list_group_offsets([group])[group]
        with suppress(KafkaError):  # a consumer that did not say goodbye: Kafka forgets the group by itself
            client.delete_groups([group])
        return {key.partition: at.offset for key, at in found.items() if key.topic == TOPIC and at.offset > 0}

    return cluster.ask(question)


def read_by(work: Work, group: str) -> Counter[tuple[Any, Any]]:
    """Return how often each message stands in the files of a group."""
    files = (work.folder / "read").glob("*.jsonl")
    return Counter(place(one) for file in files for one in json_lines(file) if one.get("group") == group)


def place(line: dict[str, Any]) -> tuple[Any, Any]:
    return line.get("partition"), line.get("offset")


def report(message: Stored) -> tuple[str, int]:
    """Return truck and sequence number of a message; what is no report of a truck has "" and 0."""
    seq = message.facts.get("seq")
    return str(message.facts.get("truck", "")), seq if isinstance(seq, int) else 0


def _numbers_up_to_the_last(reports: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
    last: dict[str, int] = {}
    for truck, seq in reports:
        last[truck] = max(seq, last.get(truck, 0))
    return {(truck, seq) for truck, end in last.items() for seq in range(1, end + 1)}


def _by_partition(messages: list[Stored]) -> Counter[int]:
    return Counter(one.partition for one in messages)


def _no_topic(work: Work, cluster: Snapshot, expected: str) -> Finding:
    others = ", ".join(name for name, one in cluster.topics.items() if not one.internal) or "none at all"
    return judged(
        False,
        expected=expected,
        seen=f"Kafka has no topic {TOPIC}; it has: {others}",
        next_step=f"the blanks of {work.shown}/topic.py, then python {work.shown}/topic.py",
    )


def _listed(values: Any) -> str:
    return ", ".join(str(value) for value in sorted(values))
