"""Whatever single process dies or stops under load, no accepted job is lost and none is answered in two ways.

Everything here is what `lab up` starts: the real stack, faults by `lab` where it has a command for them and by signal
where it has none. After each fault the audit (tests/job_audit.py) follows every accepted job to its answer; the times
that it took are printed and kept in tests/artefacts/.
"""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient

from tests.eventually import eventually
from tests.integration.stack_folder import StackFolder
from tests.job_audit import Audit, audit, running_load

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

RATE = 60
SEED = 4
ARTEFACTS = Path(__file__).parents[1] / "artefacts"
REFUSED_AT_MOST = 0.03
BACKLOG_EMPTY_WITHIN = 60.0


class Stack:
    """A stack that is up, and what the tests do to it."""

    def __init__(self, folder: StackFolder, *profile: str) -> None:
        self.folder = folder
        self.lab("up", *profile)
        urls = self.urls()
        self.service, self.kafka = urls["service"], urls["kafka"]
        self.keys = (folder.home.secrets / "load-keys").read_text().split()

    def lab(self, *arguments: str) -> str:
        done = self.folder.lab(*arguments)
        assert done.returncode == 0, f"lab {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def urls(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.lab("urls", "--json"))
        return found

    def send(self, name: str, number: signal.Signals) -> None:
        os.kill(self.urls()["pids"][name], number)

    def well(self) -> bool:
        return self.folder.lab("status").returncode == 0

    def leader(self) -> int:
        """Return the number of the broker that leads the most partitions of `jobs`."""
        admin = KafkaAdminClient(bootstrap_servers=self.kafka.split(","))
        try:
            (topic,) = admin.describe_topics(["jobs"])
            leaders = [int(one["leader_id"]) for one in topic["partitions"]]
            return max(set(leaders), key=leaders.count)
        finally:
            admin.close()

    def under_load(
        self, fault: Callable[[], object], repair: Callable[[], object], *, seconds: float, lasts: float
    ) -> Audit:
        """Load for `seconds`, with the fault after a sixth of it and the repair `lasts` seconds later; audit."""
        with running_load(self.service, self.keys, rate=RATE, seed=SEED) as load:
            start = time.monotonic()
            eventually(
                lambda: sum(one.accepted for one in load.submissions) > RATE, within=30, what="jobs are accepted"
            )
            passed(start, seconds / 6)
            began = time.time()
            fault()
            passed(time.monotonic(), lasts)
            repair()
            repaired = time.time()
            passed(start, seconds)
            submissions = load.stop()
        ended = time.monotonic()
        found = audit(submissions, self.service, self.keys, self.kafka, within=BACKLOG_EMPTY_WITHIN)
        self.report = {
            "submitted": found.submitted,
            "accepted": found.accepted,
            "refused_share": round(found.refused_share, 4),
            "statuses": found.statuses,
            "longest_time_without_an_answer_s": round(found.silence(began), 2),
            "first_answer_after_repair_s": round(
                min((t for t in found.answered if t >= repaired), default=0) - repaired, 2
            ),
            "audited_within_s": round(time.monotonic() - ended, 2),
        }
        return found

    def keep(self, name: str) -> None:
        ARTEFACTS.mkdir(exist_ok=True)
        (ARTEFACTS / f"faults-{name}.json").write_text(json.dumps(self.report, indent=1) + "\n", encoding="utf-8")
        print(f"{name}: {self.report}")


def passed(since: float, seconds: float) -> None:
    """Let the load go on until `seconds` after `since` (time.monotonic)."""
    eventually(lambda: time.monotonic() - since >= seconds, within=seconds + 60)


def started(folder: Path, *profile: str) -> Iterator[Stack]:
    stack = StackFolder(folder)
    try:
        yield Stack(stack, *profile)
    finally:
        stack.lab("down")


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    yield from started(tmp_path_factory.mktemp("single"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    yield from started(tmp_path_factory.mktemp("cluster"), "--profile", "cluster")


def nothing() -> None:
    """The supervisor repairs what crashed by itself."""


def test_a_worker_killed_under_load_costs_no_job(single: Stack) -> None:
    found = single.under_load(lambda: single.send("worker-1", signal.SIGKILL), nothing, seconds=30, lasts=0)
    single.keep("worker-killed")
    found.require_nothing_lost()
    assert found.refused_share == 0
    eventually(single.well, within=30)


def test_a_replica_of_the_api_killed_under_load_costs_no_accepted_job(single: Stack) -> None:
    found = single.under_load(lambda: single.send("api-1", signal.SIGKILL), nothing, seconds=30, lasts=0)
    single.keep("api-killed")
    found.require_nothing_lost()
    eventually(single.well, within=30)


def test_workers_scaled_from_one_to_three_and_back_under_load_answer_each_job_once(single: Stack) -> None:
    found = single.under_load(
        lambda: single.lab("scale", "worker", "3"),
        lambda: single.lab("scale", "worker", "1"),
        seconds=40,
        lasts=8,
    )
    single.keep("rebalance")
    found.require_nothing_lost()
    assert found.refused_share == 0


def test_the_only_broker_away_for_half_a_minute_costs_no_accepted_job(single: Stack) -> None:
    found = single.under_load(
        lambda: single.lab("kafka", "kill", "1"),
        lambda: single.lab("kafka", "start", "1"),
        seconds=60,
        lasts=30,
    )
    single.keep("broker-away")
    found.require_nothing_lost()
    assert found.statuses.keys() <= {202, 503}
    assert found.refused_share > 0.3, "the control: while the only broker is away, jobs are refused, not accepted"
    eventually(single.well, within=30)


def test_the_store_killed_under_load_costs_no_accepted_job(single: Stack) -> None:
    found = single.under_load(lambda: single.send("redis-jobs", signal.SIGKILL), nothing, seconds=30, lasts=0)
    single.keep("store-killed")
    found.require_nothing_lost()
    eventually(single.well, within=30)


def test_a_store_that_keeps_nothing_on_disk_loses_jobs_when_it_is_killed(single: Stack) -> None:
    """The control of the one above: with the append-only file off, the same audit finds jobs lost."""
    import redis

    with redis.Redis.from_url(single.urls()["redis_jobs"]) as client:
        client.config_set("appendonly", "no")
        client.flushall()
    found = single.under_load(lambda: single.send("redis-jobs", signal.SIGKILL), nothing, seconds=15, lasts=0)
    assert found.lost
    eventually(single.well, within=30)


def judged_failover(stack: Stack, name: str, found: Audit) -> None:
    stack.keep(name)
    found.require_nothing_lost()
    assert found.refused_share <= REFUSED_AT_MOST, stack.report
    eventually(stack.well, within=60)


def test_the_leading_broker_killed_and_started_again_costs_no_accepted_job(cluster: Stack) -> None:
    number = cluster.leader()
    found = cluster.under_load(
        lambda: cluster.lab("kafka", "kill", str(number)),
        lambda: cluster.lab("kafka", "start", str(number)),
        seconds=60,
        lasts=20,
    )
    judged_failover(cluster, "leader-killed", found)


def test_the_leading_broker_frozen_for_twenty_seconds_costs_no_accepted_job(cluster: Stack) -> None:
    number = cluster.leader()
    found = cluster.under_load(
        lambda: cluster.send(f"kafka-{number}", signal.SIGSTOP),
        lambda: cluster.send(f"kafka-{number}", signal.SIGCONT),
        seconds=60,
        lasts=20,
    )
    judged_failover(cluster, "leader-frozen", found)


def test_with_two_of_three_brokers_gone_jobs_are_refused(cluster: Stack) -> None:
    """The control: below the two in-sync replicas that an acceptance needs, there is none."""
    found = cluster.under_load(
        lambda: [cluster.lab("kafka", "kill", number) for number in "23"],
        lambda: [cluster.lab("kafka", "start", number) for number in "23"],
        seconds=30,
        lasts=10,
    )
    found.require_nothing_lost()
    assert found.refused_share > REFUSED_AT_MOST
