"""In whatever order the containers start, and with one dependency half a minute late: all is well by itself.

`LAB_START_ORDERS` is how many orders are tried (20), each with a seed of its own; several stacks start at once.
"""

import os
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docker.container_lab import ContainerLab
from tests.docker.policy import OURS
from tests.eventually import eventually

ORDERS = int(os.environ.get("LAB_START_ORDERS", "20"))
AT_ONCE = 2
LATE = 30.0
LIMIT = 90.0
DEPENDENCIES = ("redis", "redis-jobs", "kafka", "postgres", "prometheus", "discovery")


@dataclass(frozen=True)
class Started:
    seed: int
    late: str
    seconds: float
    """From the first start until everything was healthy."""
    ended: tuple[str, ...]
    """Containers of ours that ended and were started again meanwhile."""

    def __str__(self) -> str:
        return f"order {self.seed}: {self.late} late, all healthy after {self.seconds:.0f} s"


def start(lab: ContainerLab, seed: int) -> Started:
    """Start the containers of a stack, made before, in a random order; one of the dependencies comes late."""
    chance = random.Random(seed)
    by_service: dict[str, list[str]] = {}
    for container in sorted(lab.containers(), key=lambda one: one["Name"]):
        by_service.setdefault(container["Config"]["Labels"]["com.docker.compose.service"], []).append(container["Id"])
    late = chance.choice([name for name in DEPENDENCIES if name in by_service])
    order = [container for name, group in by_service.items() if name != late for container in group]
    chance.shuffle(order)
    before: list[str] = []

    def arrive() -> None:
        before.extend(lab.unwell())
        lab.output("docker", "start", *by_service[late])

    begun = time.monotonic()
    timer = threading.Timer(LATE, arrive)
    timer.start()
    try:
        for container in order:
            lab.output("docker", "start", container)
        timer.join()
        eventually(lambda: all_well(lab), within=LIMIT + 60, every=1, what=f"order {seed}, {late} late")
    finally:
        timer.cancel()
    seconds = time.monotonic() - begun
    assert any(f"-{late}-" in one for one in before), "the control: the late one was missed while it was away"
    restarts = [
        one["Name"] for one in lab.containers() if one["RestartCount"] and one["Config"]["Image"].startswith(OURS)
    ]
    return Started(seed, late, seconds, tuple(restarts))


def all_well(lab: ContainerLab) -> bool:
    assert lab.unwell() == []
    return True


def several(lab: ContainerLab, seeds: range) -> list[Started]:
    """Try several orders one after the other; each begins with new containers, networks and volumes."""
    found = []
    lab.must("init")
    try:
        for seed in seeds:
            lab.compose("--profile", "stream", "create", "--quiet-pull")
            found.append(start(lab, seed))
            lab.end()
    finally:
        lab.end()
    return found


@pytest.mark.timeout(1800)
def test_every_start_order_ends_well(image: str, tmp_path: Path, figure: Callable[[str], None]):
    labs = []
    for number in range(AT_ONCE):
        (folder := tmp_path / f"stack-{number}").mkdir()
        labs.append(ContainerLab(folder))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        stacks = [pool.submit(several, lab, range(first, ORDERS, AT_ONCE)) for first, lab in enumerate(labs)]
        found = [one for stack in stacks for one in stack.result()]
    longest = max(found, key=lambda one: one.seconds)
    figure(f"start orders: {len(found)} tried, the longest was {longest}")
    assert len(found) == ORDERS
    assert [str(one) for one in found if one.seconds > LIMIT] == []
    assert [f"{one}: {one.ended}" for one in found if one.ended] == []
