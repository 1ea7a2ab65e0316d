"""Docker Compose: from a clean copy to a stack that passes the checks, and away again without a trace."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.docker.container_lab import CleanCopy, ContainerLab
from tests.engine_checks import assert_every_check_passed
from tests.eventually import eventually

V1 = "docker-compose"  # Compose 1.29.2, a program of its own
needs_v1 = pytest.mark.skipif(shutil.which(V1) is None, reason="no docker-compose 1.29.2 here")


@pytest.fixture(scope="module")
def copy(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CleanCopy]:
    """What a clone has, after `lab init`; nothing runs yet."""
    copy = CleanCopy(tmp_path_factory.mktemp("clean"))
    copy.must("init")
    yield copy
    copy.end()


@pytest.fixture
def plain(copy: CleanCopy) -> Iterator[CleanCopy]:
    """The default stack, by `docker compose up` alone as the README says."""
    copy.output("docker", "compose", "up", "--detach", "--wait", within=240)
    yield copy
    copy.output("docker", "compose", "down", "--volumes", within=120)


def replicas_of(lab: ContainerLab) -> list[dict[str, Any]]:
    return [one for one in lab.containers() if one["Config"]["Labels"]["com.docker.compose.service"] == "api"]


def scraped(lab: ContainerLab) -> set[str]:
    """Return the addresses of the replicas that Prometheus scrapes with success."""
    answer = httpx.get(f"http://127.0.0.1:{lab.base + 90}/api/v1/query", params={"query": 'up{job="api"} == 1'})
    return {series["metric"]["instance"] for series in answer.json()["data"]["result"]}


def answered(lab: ContainerLab, client: httpx.Client) -> int:
    """Return how many replicas have counted predictions since, after some went through the edge."""
    before = {one["Name"]: predictions(one) for one in replicas_of(lab)}
    for _ in range(30):
        assert client.post("/predict", json={"data": [[5.1, 3.5, 1.4, 0.2]]}).status_code == 200
    return sum(predictions(one) > before.get(one["Name"], 0) for one in replicas_of(lab))


def predictions(replica: dict[str, Any]) -> float:
    [network] = [one for one in replica["NetworkSettings"]["Networks"].values() if one["IPAddress"]][:1]
    text = httpx.get(f"http://{network['IPAddress']}:9100/metrics").text
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("predictions_total{"))


def test_docker_compose_up_is_all_that_a_clean_copy_needs(plain: CleanCopy):
    """With two replicas; `--scale` is followed by the edge and by Prometheus, up and down."""
    assert plain.unwell() == []
    with httpx.Client(base_url=f"http://127.0.0.1:{plain.base + 80}", trust_env=False) as client:
        eventually(lambda: client.get("/models").status_code == 200, within=30)
        for count in (2, 3, 1):
            plain.output("docker", "compose", "up", "--detach", "--wait", "--scale", f"api={count}", within=120)
            eventually(lambda: answered(plain, client) == len(replicas_of(plain)) == count, within=30)  # noqa: B023
            eventually(lambda: len(scraped(plain)) == count, within=60)  # noqa: B023


def test_every_check_passes_on_compose(compose_stack: ContainerLab):
    done = compose_stack.run(*compose_stack.command("check", "deployment", "--engine", "compose", "--json"), within=900)
    assert_every_check_passed("compose", compose_stack.home.lab, done)


@pytest.mark.parametrize(
    "program", [["docker", "compose"], pytest.param([V1], marks=needs_v1)], ids=["plugin", "1.29.2"]
)
def test_secrets_that_are_not_made_stop_the_start(copy: CleanCopy, tmp_path: Path, program: list[str]):
    empty = tmp_path / "empty.env"
    empty.touch()
    stopped = copy.run(*program, "--env-file", str(empty), "up", "--detach")
    assert stopped.returncode != 0
    assert "lab init" in stopped.stderr
    assert copy.left("container", "network") == []


@needs_v1
def test_compose_1_reads_every_profile_and_starts_the_default(copy: CleanCopy):
    profiles = copy.output("docker", "compose", "config", "--profiles").split()
    assert {"stream", "cluster", "logs", "graylog", "load", "kafka-legacy", "ui"} <= set(profiles)
    chosen = [part for profile in profiles for part in ("--profile", profile)]
    named = set(copy.output("docker", "compose", *chosen, "config", "--services").split())
    assert set(copy.output(V1, *chosen, "config", "--services").split()) == named
    try:
        copy.output(V1, "up", "--detach", within=240)
        eventually(lambda: copy.unwell() == [], within=120, every=1)
        eventually(lambda: httpx.get(f"http://127.0.0.1:{copy.base + 80}/models").status_code == 200, within=30)
    finally:
        copy.output(V1, "down", "--volumes", within=120)
    assert copy.left("container", "network", "volume") == []


def test_lab_down_leaves_no_container_and_no_network(image: str, tmp_path: Path):
    """What was stored stays: the volumes are the user's."""
    lab = ContainerLab(tmp_path)
    lab.must("init")
    try:
        lab.must("up", "--engine", "compose")
        assert lab.unwell() == []
        assert lab.listening()
        lab.must("down")
        assert lab.left("container", "network") == []
        assert lab.listening() == []
    finally:
        lab.end()
