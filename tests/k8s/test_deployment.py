"""The overlay `local` on a real cluster: it passes the checks of every engine, and what only Kubernetes promises."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from labkit.check.deployment.load import Load
from labkit.engines.kubectl import Kubectl
from labkit.engines.kubernetes import Kubernetes
from labkit.errors import CannotRun
from labkit.home import Home
from tests.engine_checks import assert_every_check_passed
from tests.eventually import eventually
from tests.integration.stack_folder import LAB


@pytest.fixture
def no_retries(deployment: Kubernetes, kubectl: Kubectl) -> Iterator[None]:
    """The route without what the edge does when a replica does not answer."""
    rules = kubectl.read("httproute", "api")["spec"]["rules"]
    kubectl.patch("httproute", "api", [{"op": "remove", "path": f"/spec/rules/{n}/filters"} for n in range(len(rules))])
    yield
    kubectl.patch("httproute", "api", [{"op": "replace", "path": "/spec/rules", "value": rules}])


def test_every_check_passes_on_kubernetes(deployment: Kubernetes, cluster: Mapping[str, str], k8s_home: Home) -> None:
    done = subprocess.run(
        [LAB, "check", "deployment", "--engine", "k8s", "--json"],
        env={**cluster, "LAB_HOME": str(k8s_home.lab)}, capture_output=True, text=True, check=False, timeout=1200,
    )  # fmt: skip
    assert_every_check_passed("k8s", k8s_home.lab, done)


def failed_beside_kills(deployment: Kubernetes) -> int:
    """Return how many requests fail while replicas are killed, until one does; three replicas at the most."""
    service = deployment.urls().service
    with Load(service, 100.0) as load:
        for _ in range(3):
            ready = eventually(lambda: [one for one in deployment.replicas() if one.ready][1:], within=120, every=1)
            deployment.kill(ready[0].name)
            load.last(5.0)
            if load.tally.failed:
                break
    return load.tally.failed


@pytest.mark.usefixtures("no_retries")
def test_without_the_retries_of_the_edge_a_killed_replica_costs_requests(deployment: Kubernetes) -> None:
    """The control of the check that none fails."""
    eventually(lambda: failed_beside_kills(deployment) > 0, within=60, what="a request fails")


def test_a_release_that_does_not_start_replaces_nobody(deployment: Kubernetes, kubectl: Kubectl) -> None:
    before = {one.name for one in deployment.replicas()}
    service = deployment.urls().service
    kubectl.run("set", "image", "deployment/api", "api=observability-lab:not-built")
    try:
        eventually(lambda: waiting(kubectl) != [], within=60, every=1, what="a pod waits for an image that is nowhere")
        assert before <= {one.name for one in deployment.replicas() if one.ready}
        answer = httpx.post(f"{service}/predict", json={"data": [[5.1, 3.5, 1.4, 0.2]]}, trust_env=False)
        assert answer.status_code == 200
    finally:
        deployment.rollback()
    assert {one.release for one in deployment.replicas()} == {"dev"}


def waiting(kubectl: Kubectl) -> list[str]:
    """Return why containers of the service wait for their image."""
    states = [
        one["state"].get("waiting", {}).get("reason", "")
        for pod in kubectl.items("pods", "--selector", "app.kubernetes.io/name=api")
        for one in pod["status"].get("containerStatuses", [])
    ]
    return [state for state in states if "Image" in state]


def test_the_namespace_admits_nothing_that_is_not_restricted(deployment: Kubernetes, kubectl: Kubectl) -> None:
    """All of ours were admitted, since they run; a pod without these settings is not."""
    labels = kubectl.read("namespace", kubectl.namespace)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert len(deployment.replicas()) == 2
    with pytest.raises(CannotRun, match="violates PodSecurity"):
        kubectl.run("run", "stranger", "--image=redis:8.2-bookworm", "--dry-run=server")


def test_no_process_of_ours_can_write_where_it_stands_or_gain_rights(deployment: Kubernetes, kubectl: Kubectl) -> None:
    status = kubectl.run("exec", deployment.replicas()[0].name, "--", "cat", "/proc/self/status")
    facts: dict[str, Any] = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert facts["Uid"].split() == ["10001"] * 4
    assert {facts[name].strip() for name in ("CapPrm", "CapEff", "CapBnd", "CapInh")} == {"0" * 16}
    assert (facts["NoNewPrivs"].strip(), facts["Seccomp"].strip()) == ("1", "2")
    tried = kubectl.run("exec", deployment.replicas()[0].name, "--", "sh", "-c", "( : > /srv/mine ) 2>&1 || true")
    assert "Read-only file system" in tried


def test_prometheus_scrapes_every_job_of_the_rules(deployment: Kubernetes) -> None:
    """Those that are there: the load generator is not."""

    def jobs() -> dict[str, int]:
        answer = httpx.get(
            f"{deployment.urls().prometheus}/api/v1/query",
            params={"query": "count by (job) (up == 1)"},
            trust_env=False,
        )
        return {one["metric"]["job"]: int(one["value"][1]) for one in answer.json()["data"]["result"]}

    wanted = {"api": 2, "worker": 1, "traefik": 1, "collector": 1, "alertmanager": 1, "prometheus": 1}
    eventually(lambda: jobs() == wanted, within=30, every=1, what=f"the targets are {wanted}")


def test_notifications_reach_the_receiver_beside_alertmanager(kubectl: Kubectl, deployment: Kubernetes) -> None:
    """The Watchdog, which comes every 20 s: its silence would be the alarm."""
    ask = "import urllib.request as u; print(u.urlopen('http://alerts:9099/healthz').read().decode())"
    command = ("exec", "deployment/alertmanager", "--container", "alerts", "--", "python", "-c", ask)

    def heard() -> bool:
        said = json.loads(kubectl.run(*command))
        return said["watchdog_age_s"] is not None and not said["silent"]

    eventually(heard, within=120, every=1, what="a Watchdog has come")
