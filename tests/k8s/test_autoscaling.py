"""The autoscaler of k8s/components/hpa on a real cluster: more replicas under load, fewer when it is over."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from labkit.engines.kubectl import Kubectl
from labkit.engines.kubernetes import Kubernetes
from tests.eventually import eventually
from tests.k8s.closed_load import busy
from tests.k8s_manifests import K8S

LEAST, MOST = 1, 3
QUICK = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 2, "periodSeconds": 15}]}
"""The lab's own windows make the way down take minutes; here it is what moves that counts, not when."""


@pytest.fixture
def autoscaler(deployment: Kubernetes, kubectl: Kubectl) -> Iterator[dict[str, Any]]:
    """The file of the component with few replicas and without its pauses, applied; afterwards as many as before."""
    before = len(deployment.replicas())
    manifest = yaml.safe_load((K8S / "components" / "hpa" / "api.yaml").read_text(encoding="utf-8"))
    manifest["spec"] |= {"minReplicas": LEAST, "maxReplicas": MOST, "behavior": {"scaleUp": QUICK, "scaleDown": QUICK}}
    deployment.scale(LEAST)
    kubectl.run("apply", "--filename", "-", given=json.dumps(manifest))
    try:
        yield manifest
    finally:
        kubectl.run("delete", "hpa", "api", "--ignore-not-found")
        deployment.scale(before)


def seen(kubectl: Kubectl) -> dict[str, Any]:
    """Return what the autoscaler knows and wants: the CPU in % of the request, current and desired replicas."""
    status = kubectl.read("hpa", "api").get("status", {})
    metrics = [one["resource"]["current"] for one in status.get("currentMetrics") or [] if one["type"] == "Resource"]
    cpu = metrics[0].get("averageUtilization") if metrics else None
    return {"cpu": cpu, "current": status.get("currentReplicas"), "desired": status.get("desiredReplicas")}


@pytest.mark.k8s
@pytest.mark.timeout(600)
def test_replicas_follow_the_cpu_up_and_down(
    deployment: Kubernetes, kubectl: Kubectl, autoscaler: dict[str, Any]
) -> None:
    target = autoscaler["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"]
    eventually(lambda: seen(kubectl)["cpu"] is not None, within=120, every=1, what="the CPU is measured")
    assert seen(kubectl)["desired"] == LEAST
    service = deployment.urls().service

    with busy(service, clients=4) as statuses:
        eventually(lambda: seen(kubectl)["cpu"] > target, within=120, every=1, what=f"more than {target} % CPU")
        eventually(lambda: seen(kubectl)["desired"] > LEAST, within=120, every=1, what="more replicas are wanted")
        ready = eventually(
            lambda: [one for one in deployment.replicas() if one.ready][LEAST:],
            within=120,
            every=1,
            what="they are ready",
        )
        assert ready
    assert statuses[200] > 100
    assert set(statuses) <= {200, 503}, "a full replica refuses; nothing else goes wrong while replicas come"

    down = {"desired": LEAST, "current": LEAST}
    eventually(lambda: down.items() <= seen(kubectl).items(), within=240, every=1, what="fewer again without load")
    eventually(lambda: len(deployment.replicas()) == LEAST, within=60, every=1, what="the others are gone")
