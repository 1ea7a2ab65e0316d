"""What components add to a deployment, on a real cluster: a retraining on demand, what the nodes say of themselves."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from labkit.engines.kubectl import Kubectl
from labkit.engines.kubernetes import Kubernetes
from tests.eventually import eventually
from tests.k8s_manifests import K8S

COLLECTORS = {"cpu", "diskstats", "loadavg", "meminfo", "pressure", "stat", "time", "vmstat"}


def component(name: str, file: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((K8S / "components" / name / file).read_text(encoding="utf-8"))
    return found


@pytest.fixture
def retrain(deployment: Kubernetes, kubectl: Kubectl) -> Iterator[None]:
    """The CronJob of the component, with the deployment's own secret, and a volume that ends with the pod."""
    worker = kubectl.read("deployment", "worker")["spec"]["template"]["spec"]["volumes"]
    secret = next(volume["secret"]["secretName"] for volume in worker if volume["name"] == "postgres")
    manifest = component("retrain", "cronjob.yaml")
    for volume in manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]["volumes"]:
        if volume["name"] == "postgres":
            volume["secret"]["secretName"] = secret
        elif volume["name"] == "models":
            del volume["persistentVolumeClaim"]
            volume["emptyDir"] = {}
    # A small node is full of what the deployment has reserved.
    pod = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    pod["containers"][0]["resources"]["requests"]["cpu"] = "10m"
    kubectl.run("apply", "--filename", "-", given=json.dumps(manifest))
    yield
    kubectl.run("delete", "cronjob/retrain", "job/retrain-now", "--ignore-not-found", "--wait")


@pytest.mark.k8s
@pytest.mark.usefixtures("retrain")
def test_the_nightly_retraining_can_be_run_now(kubectl: Kubectl) -> None:
    kubectl.run("create", "job", "--from=cronjob/retrain", "retrain-now")
    status = eventually(
        lambda: kubectl.read("job", "retrain-now")["status"].get("conditions"), within=240, every=1, what="it ends"
    )
    said = kubectl.run("logs", "job/retrain-now")
    assert any(one["type"] == "Complete" and one["status"] == "True" for one in status), said
    assert "held-out sentences" in said
    assert "registered as" in said or "refused:" in said


@pytest.fixture
def node_exporter(deployment: Kubernetes, kubectl: Kubectl) -> Iterator[None]:
    kubectl.run("apply", "--filename", "-", given=json.dumps(component("node-exporter", "daemonset.yaml")))
    kubectl.rolled_out("daemonset/node-exporter", 120)
    yield
    kubectl.run("delete", "daemonset/node-exporter", "--ignore-not-found", "--wait")


@pytest.mark.k8s
@pytest.mark.usefixtures("node_exporter")
def test_every_node_tells_its_saturation_without_a_mount(kubectl: Kubectl) -> None:
    """In a namespace that is `restricted`: the pods are admitted, and each collector finds what it reads."""
    pods = kubectl.items("pods", "--selector", "app.kubernetes.io/name=node-exporter")
    assert len(pods) == len(kubectl.items("nodes"))
    for pod in pods:
        name = pod["metadata"]["name"]
        path = f"/api/v1/namespaces/{kubectl.namespace}/pods/{name}:9100/proxy/metrics"
        lines = kubectl.run("get", "--raw", path).splitlines()
        success = [line for line in lines if line.startswith("node_scrape_collector_success{")]
        assert sorted(success) == [
            f'node_scrape_collector_success{{collector="{one}"}} 1' for one in sorted(COLLECTORS)
        ]
        for metric in (
            "node_cpu_seconds_total",
            "node_memory_MemAvailable_bytes",
            "node_load1",
            "node_disk_io_time_seconds_total",
        ):
            assert any(line.startswith((f"{metric}{{", f"{metric} ")) for line in lines), metric
