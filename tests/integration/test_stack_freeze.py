"""`lab freeze` on the real stack: a component stands still, goes on, and has lost nothing."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from labkit.stack.freezing import frozen_between
from tests.eventually import eventually
from tests.integration.stack_folder import LAB, ROOT, StackFolder, facts, says


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[StackFolder]:
    stack = StackFolder(tmp_path)
    yield stack
    stack.lab("down")


@pytest.mark.faults
def test_a_frozen_replica_stands_still_then_answers_what_had_come_meanwhile(stack: StackFolder) -> None:
    begun = time.time()
    says(stack, "up", "--profile", "core")
    urls = facts(stack, "urls")
    process = psutil.Process(urls["pids"]["api-1"])
    with subprocess.Popen([LAB, "freeze", "api-1", "--seconds", "2"], env=stack.environment(), cwd=ROOT) as freezing:
        eventually(lambda: process.status() == psutil.STATUS_STOPPED, within=10, what="api-1 stands still")
        with urlopen(f"{urls['replicas'][0]}/healthz", timeout=20) as answer:
            assert answer.status == 200
        assert freezing.wait(20) == 0
    assert process.status() != psutil.STATUS_STOPPED
    assert facts(stack, "urls")["pids"]["api-1"] == process.pid
    assert frozen_between(stack.home, "api-1", begun, time.time()) == 2
    assert frozen_between(stack.home, "api-2", begun, time.time()) == 0
    unknown = stack.lab("freeze", "api-9")
    assert (unknown.returncode, unknown.stderr.partition(";")[0]) == (2, "lab: no component 'api-9' in this stack")


def test_without_a_stack_nothing_freezes(stack: StackFolder) -> None:
    done = stack.lab("freeze", "api-1")
    assert (done.returncode, done.stderr) == (2, "lab: no stack is up here; next: lab up\n")
    assert "a freeze lasts up to 60 s" in stack.lab("freeze", "api-1", "--seconds", "100").stderr
