"""`lab scale api`, `lab release …` on the real stack, under load that counts each request.

The edge's retries are taken away for it: what is lost then was lost by the order of the steps.
"""

import json
import os
import signal
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from labkit.check.deployment.load import Load
from labkit.loadgen.bodies import MODELS, rows_for
from labkit.marks import marks
from labkit.stack.edge import FOLDER
from labkit.stack.record import write_whole
from tests.eventually import eventually
from tests.integration.stack_folder import StackFolder, facts, row, says

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]  # each replica starts in seconds, or in a minute

RATE = 100.0
RETRIES = "breaker, broken-connection, next-replica"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackFolder]:
    """A stack whose edge tries nothing again."""
    found = StackFolder(tmp_path_factory.mktemp("stack"))
    try:
        says(found, "up", "--profile", "core")
        dynamic = found.home.run / FOLDER / "dynamic.yml"
        text = dynamic.read_text(encoding="utf-8")
        assert text.count(RETRIES) == text.count("rate, next-replica") == 1
        write_whole(dynamic, text.replace(f", {RETRIES}", "").replace("rate, next-replica", "rate"))
        yield found
    finally:
        found.lab("down")


def releases(stack: StackFolder) -> dict[str, str]:
    shown = facts(stack, "release", "show")
    assert shown["engine"] == "process"
    assert all(one["ready"] for one in shown["replicas"])
    return {one["name"]: one["release"] for one in shown["replicas"]}


def prometheus(stack: StackFolder, query: str) -> list[dict[str, Any]]:
    address = facts(stack, "urls")["prometheus"]
    with urlopen(f"{address}/api/v1/query?query={quote(query)}", timeout=5) as reply:
        found: list[dict[str, Any]] = json.load(reply)["data"]["result"]
    return found


def load(stack: StackFolder) -> Load:
    return Load(facts(stack, "urls")["service"], RATE)


def test_replicas_come_and_go_and_no_request_is_lost(stack: StackFolder) -> None:
    with load(stack) as sent:
        assert says(stack, "scale", "api", "3").startswith("api: 3 of them run now")
        assert releases(stack) == dict.fromkeys(("api-1", "api-2", "api-3"), "dev")
        assert facts(stack, "status")["up"], "Prometheus has seen all three"
        assert "3 of them run already" in says(stack, "scale", "api", "3")
        says(stack, "scale", "api", "1")
        assert releases(stack) == {"api-1": "dev"}
    assert sent.tally.sent > 500
    assert sent.tally.failed == 0, sent.tally.words()
    assert len(facts(stack, "urls")["replicas"]) == 1


def test_a_single_replica_gets_another_release_and_no_request_is_lost(stack: StackFolder) -> None:
    with load(stack) as sent:
        says(stack, "release", "update", "2")
        assert releases(stack) == {"api-1": "2"}, "the second one was there for the time"
    assert sent.tally.failed == 0, sent.tally.words()
    says(stack, "scale", "api", "2")
    assert releases(stack) == {"api-1": "2", "api-2": "2"}


def test_an_update_and_the_way_back_lose_no_request(stack: StackFolder) -> None:
    with load(stack) as sent:
        says(stack, "release", "update", "3")
        assert set(releases(stack).values()) == {"3"}
        assert "are of release 2 again" in says(stack, "release", "rollback")
        assert set(releases(stack).values()) == {"2"}
    assert sent.tally.failed == 0, sent.tally.words()
    assert facts(stack, "status")["up"]
    assert {one["metric"]["release"] for one in prometheus(stack, 'service_info{job="api"}')} == {"2"}
    said = [mark.text for mark in marks(stack.home, 0, 2**40)]
    assert said == ["api: 3", "api: 1", "release 2", "api: 2", "release 3", "back to release 2"]


def test_the_control_a_replica_that_is_killed_loses_requests_without_retries(stack: StackFolder) -> None:
    with load(stack) as sent:
        says(stack, "kill", "api-2")
        sent.last(1)
    assert sent.tally.failed > 0
    assert says(stack, "scale", "api", "2").startswith("api: 2 of them run now"), "and it is back"
    assert set(releases(stack)) == {"api-1", "api-2"}


def test_a_crash_brings_the_same_release_back(stack: StackFolder) -> None:
    before = row(facts(stack, "status"), "api-1")
    os.kill(before["pid"], signal.SIGKILL)

    def back() -> bool:
        now = row(facts(stack, "status"), "api-1")
        return bool(now["state"] == "ready" and now["pid"] != before["pid"])

    eventually(back, within=60, what="api-1 is there again")
    assert releases(stack)["api-1"] == "2"


def test_a_canary_answers_its_share_with_the_other_version_and_goes(stack: StackFolder) -> None:
    url = facts(stack, "urls")["service"] + "/models/forest/predict"
    body = json.dumps({"data": rows_for(MODELS["forest"], 1, rows=1)}).encode()

    def versions(count: int = 100) -> dict[str, int]:
        found: dict[str, int] = {}
        for _ in range(count):
            with urlopen(url, data=body, timeout=10) as reply:
                name = reply.headers["X-Model-Version"]
            found[name] = found.get(name, 0) + 1
        return found

    assert set(versions(10)) == {"v1"}
    with load(stack) as sent:
        says(stack, "release", "canary", "20")
    assert sent.tally.failed == 0, sent.tally.words()
    assert versions() == {"v1": 80, "v2": 20}
    assert set(releases(stack)) == {"api-1", "api-2"}, "the canary is no replica"
    assert len(facts(stack, "urls")["metrics"]) == 3, "and it counts"
    with load(stack) as sent:
        says(stack, "release", "update", "4")
        says(stack, "release", "canary", "0")
    assert sent.tally.failed == 0, sent.tally.words()
    assert set(versions(10)) == {"v1"}
    assert len(facts(stack, "urls")["metrics"]) == 2
    assert set(releases(stack).values()) == {"4"}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("scale", "api", "0"), "lab: lab scale api 0: there can be 1 to 8"),
        (("scale", "redis", "2"), "lab: lab scale takes api or worker, not 'redis'"),
        (("release", "update", "a b"), "lab: a release is letters, digits"),
        (("release", "canary", "101"), "lab: the canary's weight is 0 to 100 percent, not 101"),
        (("release", "show", "--engine", "boat"), "lab: no engine 'boat'"),
    ],
)
def test_what_cannot_be_done_is_one_line(stack: StackFolder, arguments: tuple[str, ...], line: str) -> None:
    done = stack.lab(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(line)
    assert len(done.stderr.splitlines()) == 1
