"""Docker Swarm: a swarm of one node, made for the stack, that passes the checks, and all of it away again."""

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace

import psutil
import pytest

from labkit.check.deployment.load import Load
from tests.docker.container_lab import ContainerLab
from tests.docker.kernel_rights import rights_of
from tests.docker.listeners import beyond_loopback
from tests.docker.policy import allowed, broken, of_container
from tests.engine_checks import assert_every_check_passed
from tests.eventually import eventually

NAMESPACE = "com.docker.stack.namespace"
SERVICE = "com.docker.swarm.service.name"
RATE = 60.0
# It reads its settings, refuses this one and ends.
BROKEN = "FROM observability-lab:dev\nENV LAB_API_PORT=none\n"

pytestmark = pytest.mark.timeout(2400)


class SwarmLab(ContainerLab):
    """A lab on a swarm; the stack's own name follows from its ports."""

    @property
    def stack(self) -> str:
        return f"lab-{self.base}"

    @property
    def label(self) -> str:
        return f"label={NAMESPACE}={self.stack}"

    def service(self, name: str) -> str:
        return f"{self.stack}_{name}"

    def releases(self) -> list[str]:
        shown = json.loads(self.must("release", "show", "--engine", "swarm", "--json"))
        return [one["release"] for one in shown["replicas"] if one["ready"]]

    def end(self) -> None:
        """Remove the volumes; what else there was, `lab down` has removed."""
        if volumes := self.output("docker", "volume", "ls", "-q", "--filter", self.label).split():
            self.output("docker", "volume", "rm", *volumes)


def swarm_state() -> str:
    shown = ["docker", "info", "--format", "{{.Swarm.LocalNodeState}}"]
    return subprocess.run(shown, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def swarm(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwarmLab]:
    """The stack on a swarm of its own; at the end neither is there any more."""
    if (state := swarm_state()) != "inactive":
        pytest.skip(f"this Docker engine is in a swarm already ({state}), which is somebody's")
    lab = SwarmLab(tmp_path_factory.mktemp("swarm"))
    try:
        lab.must("up", "--engine", "swarm", within=700)
        yield lab
    finally:
        lab.must("down", "--engine", "swarm", within=300)
        lab.end()
    assert swarm_state() == "inactive"
    for kind in ("container", "network", "volume"):
        assert lab.output("docker", kind, "ls", "-q", "--filter", lab.label) == "", f"{kind}s are left"
    assert lab.listening() == []


@pytest.fixture
def broken_release(image: str) -> Iterator[str]:
    """The release of an image whose api cannot start."""
    build = ["docker", "build", "--tag", "observability-lab:broken", "-"]
    subprocess.run(build, input=BROKEN, text=True, check=True, capture_output=True, timeout=120)
    yield "broken"
    subprocess.run(["docker", "rmi", "--force", "observability-lab:broken"], check=True, capture_output=True)


def test_every_check_passes_on_swarm(swarm: SwarmLab):
    done = swarm.run(*swarm.command("check", "deployment", "--engine", "swarm", "--json"), within=1200)
    assert_every_check_passed("swarm", swarm.home.lab, done)


def test_ports_of_the_swarm_are_for_this_machine_alone(swarm: SwarmLab):
    """Those of the stack, which are all offsets of its base, and those of Swarm itself."""
    assert beyond_loopback([*swarm.listening(), 2377, 7946]) == []
    assert {swarm.base + 80, swarm.base + 90} <= set(swarm.listening())


def test_tasks_are_confined(swarm: SwarmLab):
    """A stack file cannot ask for no-new-privileges: for our own services the kernel is asked whether they have it."""
    excused = {(one.service, one.rule) for one in allowed()}
    named = swarm.output("docker", "ps", "-q", "--filter", swarm.label).split()
    for container in json.loads(swarm.output("docker", "inspect", *named)):
        name = container["Config"]["Labels"][SERVICE].removeprefix(f"{swarm.stack}_")
        one = replace(of_container(container), service=name)
        assert [rule for rule in broken(one) if (name, rule) not in excused] == ["no-new-privileges"], name
        if one.ours:
            assert not rights_of(psutil.Process(container["State"]["Pid"])).any, name


def test_a_release_that_does_not_start_is_taken_back_without_a_failed_request(
    swarm: SwarmLab, broken_release: str, figure: Callable[[str], None]
):
    before = swarm.releases()
    with Load(f"http://127.0.0.1:{swarm.base + 80}", RATE) as load:
        load.last(1)
        update = swarm.run(*swarm.command("release", "update", broken_release, "--engine", "swarm"), within=700)
        load.last(3)
    figure(f"a broken release on swarm: {load.tally.words()}")
    assert update.returncode == 2
    assert f"the replicas are of {before[0]} again" in update.stderr
    assert load.tally.failed == 0
    assert swarm.releases() == before


def test_without_rollback_and_order_a_release_that_does_not_start_costs_requests(swarm: SwarmLab, broken_release: str):
    """The control: what docker-stack.yml says of updates is what keeps the service there."""
    before = swarm.releases()
    unprotected = ("--update-failure-action", "continue", "--update-order", "stop-first", "--update-parallelism", "0")
    image = f"observability-lab:{broken_release}"
    chosen = ("--image", image, "--label-add", f"com.docker.stack.image={image}")  # or `lab up` would leave it so
    try:
        with Load(f"http://127.0.0.1:{swarm.base + 80}", RATE) as load:
            update = ("docker", "service", "update", "--detach", "--no-resolve-image", *unprotected, *chosen)
            swarm.output(*update, swarm.service("api"))
            eventually(lambda: load.tally.failures.total() > 0, within=60)
        eventually(lambda: swarm.releases() == [], within=30)
    finally:
        swarm.must("up", "--engine", "swarm", within=700)  # as the file says, again
    assert eventually(lambda: swarm.releases() == before, within=60)
