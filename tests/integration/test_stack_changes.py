"""`lab scale`, `lab kill`, `lab start` and `lab kafka kill` on the real stack."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from labkit.marks import marks
from tests.eventually import eventually
from tests.integration.stack_folder import StackFolder, facts, row, running, says


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[StackFolder]:
    stack = StackFolder(tmp_path)
    yield stack
    stack.lab("down")


def scraped(urls: dict[str, Any]) -> dict[str, str]:
    """Return the workers that Prometheus scrapes, and whether they answer."""
    with urlopen(f"{urls['prometheus']}/api/v1/query?query=up%7Bjob%3D%22worker%22%7D", timeout=5) as reply:
        found = json.load(reply)["data"]["result"]
    return {one["metric"]["replica"]: one["value"][1] for one in found}


def readers(stack: StackFolder) -> dict[str, Any]:
    """Return which partitions of the jobs each worker reads."""
    (group,) = facts(stack, "kafka", "groups")
    return {member["client"]: member["assigned"].get("jobs") for member in group["members"]}


@pytest.mark.faults
def test_workers_come_and_go_and_a_killed_broker_stays_away_until_it_is_started(stack: StackFolder) -> None:
    begun = time.time()
    urls = json.loads(says(stack, "up", "--json", "--profile", "stream"))
    names = ["worker-1", "worker-2", "worker-3"]

    assert says(stack, "scale", "worker", "3").startswith("worker: 3 of them run now")
    assert eventually(lambda: len(readers(stack)) == 3, within=30, what="three members of the group")
    assert sorted(eventually(lambda: readers(stack)).values()) == [[0], [1], [2]]
    assert facts(stack, "status")["up"]
    assert len(facts(stack, "urls")["workers"]) == 3
    assert set(names) <= set(facts(stack, "urls")["pids"])
    eventually(lambda: scraped(urls) == dict.fromkeys(names, "1"), within=20, what="Prometheus scrapes all three")
    assert "3 of them run already" in says(stack, "scale", "worker", "3")

    before = facts(stack, "urls")["pids"]
    says(stack, "scale", "worker", "1")
    assert running([before["worker-2"], before["worker-3"]]) == []
    assert facts(stack, "urls")["pids"]["worker-1"] == before["worker-1"]
    assert len(facts(stack, "urls")["workers"]) == 1
    eventually(lambda: set(scraped(urls)) == {"worker-1"}, within=20, what="Prometheus forgets the others")

    assert "kafka is killed and stays away" in says(stack, "kafka", "kill", "1")
    assert running([before["kafka"]]) == []
    down = stack.lab("status")
    assert down.returncode == 1
    assert "next: lab start kafka" in down.stdout
    assert row(facts(stack, "status"), "kafka")["state"] == "held"
    assert stack.lab("kafka", "topics").returncode == 2
    assert "kafka is ready again" in says(stack, "kafka", "start", "1")
    assert {topic["name"] for topic in facts(stack, "kafka", "topics")} >= {"jobs", "results", "feedback", "jobs.dlq"}

    assert "api-2 is killed" in says(stack, "kill", "api-2")
    assert row(facts(stack, "status"), "api-2")["state"] == "held"
    assert "api-2 is ready again" in says(stack, "start", "api-2")
    eventually(lambda: stack.lab("status").returncode == 0, within=30, what="all is ready")

    said = [mark.text for mark in marks(stack.home, begun, time.time())]
    assert said == [
        "worker: 3", "worker: 1", "kafka killed", "kafka ready again", "api-2 killed", "api-2 ready again",
    ]  # fmt: skip
    left = list(facts(stack, "urls")["pids"].values())
    says(stack, "down")
    assert running(left) == []
    assert stack.listening() == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("scale", "redis", "3"), "lab: lab scale takes api or worker, not 'redis'"),
        (("scale", "api", "3"), "lab: no stack is up here; next: lab up"),
        (("release", "update", "2"), "lab: no stack is up here; next: lab up"),
        (("scale", "worker", "9"), "lab: lab scale worker 9: there can be 0 to 8"),
        (("scale", "worker", "2"), "lab: no stack is up here; next: lab up"),
        (("kill", "redis"), "lab: no stack is up here; next: lab up"),
        (("kafka", "kill", "1"), "lab: no stack is up here; next: lab up"),
    ],
)
def test_what_cannot_be_changed_is_one_line(stack: StackFolder, arguments: tuple[str, ...], line: str) -> None:
    done = stack.lab(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(line)
    assert len(done.stderr.splitlines()) == 1
