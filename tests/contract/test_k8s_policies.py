"""Each rule of tests/k8s_policy.py: it is content with a sound deployment, and finds the one thing made wrong in it."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import k8s_policy
from tests.k8s_manifests import SECRET, Manifest
from tests.k8s_policy import OVERLAY_RULES, Rule, secrets_written_down

LABELS = {"app.kubernetes.io/name": "api"}


def sound() -> dict[str, Manifest]:
    """Return one of each kind that the rules look at, with nothing wrong."""
    probe = {"httpGet": {"path": "/healthz", "port": "http"}}
    container = {
        "name": "api",
        "image": "observability-lab:dev",
        "args": ["api"],
        "env": [{"name": "LAB_REDIS_URL_FILE", "value": "/run/secrets/lab/redis-url"}],
        "ports": [{"name": "http", "containerPort": 8000}],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {name: {"cpu": "1", "memory": "1Gi"} for name in ("requests", "limits")},
        "readinessProbe": probe,
        "livenessProbe": probe,
    }
    pod = {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "secrets", "secret": {"secretName": "lab"}}],
    }
    template = {"metadata": {"labels": LABELS}, "spec": pod}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}
    specs: dict[str, Any] = {
        "Deployment": {"selector": {"matchLabels": LABELS}, "template": template},
        "Service": {"selector": LABELS, "ports": [{"port": 80, "targetPort": "http"}]},
        "PodDisruptionBudget": {"minAvailable": 1, "selector": {"matchLabels": LABELS}},
        "HorizontalPodAutoscaler": {"scaleTargetRef": target},
        "NetworkPolicy": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
        "Secret": {},
        "Namespace": {},
    }
    names = {"Secret": "lab", "NetworkPolicy": "default-deny"}
    found = {
        kind: {"kind": kind, "metadata": {"name": names.get(kind, "api")}, "spec": spec} for kind, spec in specs.items()
    }
    found["Secret"]["data"] = {"redis-url": SECRET}
    found["Namespace"]["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": "restricted"}
    return copy.deepcopy(found)


def pod(manifests: dict[str, Manifest]) -> dict[str, Any]:
    found: dict[str, Any] = manifests["Deployment"]["spec"]["template"]["spec"]
    return found


def container(manifests: dict[str, Manifest]) -> dict[str, Any]:
    found: dict[str, Any] = pod(manifests)["containers"][0]
    return found


def has(key: str, value: Any, inside: str = "", of: Callable[[dict[str, Manifest]], dict[str, Any]] = container) -> Any:
    """Return what sets one key of the container, or of a mapping inside it."""

    def change(manifests: dict[str, Manifest]) -> None:
        where = of(manifests)
        (where[inside] if inside else where)[key] = value

    return change


def lacks(key: str, of: Callable[[dict[str, Manifest]], dict[str, Any]] = container) -> Any:
    def change(manifests: dict[str, Manifest]) -> None:
        del of(manifests)[key]

    return change


def spec(kind: str) -> Callable[[dict[str, Manifest]], dict[str, Any]]:
    return lambda manifests: manifests[kind]["spec"]


def second_autoscaler(manifests: dict[str, Manifest]) -> None:
    other = copy.deepcopy(manifests["HorizontalPodAutoscaler"])
    other["kind"] = "ScaledObject"
    manifests["ScaledObject"] = other


def job_as_root(manifests: dict[str, Manifest]) -> None:
    """A CronJob's pods are looked at like any other."""
    job = {"spec": copy.deepcopy(manifests["Deployment"]["spec"])}
    job["spec"]["template"]["spec"]["securityContext"]["runAsUser"] = 0
    manifests["CronJob"] = {"kind": "CronJob", "metadata": {"name": "night"}, "spec": {"jobTemplate": job}}


def init_container(manifests: dict[str, Manifest]) -> None:
    pod(manifests)["initContainers"] = [{**container(manifests), "name": "first", "image": "busybox:latest"}]


def url_in_a_config_map(manifests: dict[str, Manifest]) -> None:
    manifests["ConfigMap"] = {
        "kind": "ConfigMap",
        "metadata": {"name": "settings"},
        "data": {"LAB_REDIS_URL": "redis://:word@redis:6379/0"},
    }


WRONG: tuple[tuple[Rule, Any], ...] = (
    (k8s_policy.runs_as_a_user, has("runAsUser", 0, "securityContext")),
    (k8s_policy.runs_as_a_user, lacks("securityContext", pod)),
    (k8s_policy.runs_as_a_user, job_as_root),
    (k8s_policy.is_confined, has("readOnlyRootFilesystem", False, "securityContext")),
    (k8s_policy.is_confined, has("allowPrivilegeEscalation", True, "securityContext")),
    (k8s_policy.is_confined, has("privileged", True, "securityContext")),
    (k8s_policy.is_confined, has("capabilities", {"drop": ["ALL"], "add": ["NET_ADMIN"]}, "securityContext")),
    (k8s_policy.is_confined, has("seccompProfile", {"type": "Unconfined"}, "securityContext")),
    (k8s_policy.is_confined, lacks("securityContext")),
    (k8s_policy.shares_nothing_of_the_node, has("hostNetwork", True, of=pod)),
    (k8s_policy.shares_nothing_of_the_node, has("hostPID", True, of=pod)),
    (k8s_policy.shares_nothing_of_the_node, has("volumes", [{"name": "d", "hostPath": {"path": "/"}}], of=pod)),
    (k8s_policy.shares_nothing_of_the_node, has("ports", [{"containerPort": 80, "hostPort": 80}])),
    (k8s_policy.has_limits, has("limits", {"cpu": "1"}, "resources")),
    (k8s_policy.has_limits, lacks("resources")),
    (k8s_policy.is_probed, lacks("readinessProbe")),
    (k8s_policy.is_probed, lacks("livenessProbe")),
    (k8s_policy.holds_no_token, lacks("automountServiceAccountToken", pod)),
    (k8s_policy.is_pinned, has("image", "redis")),
    (k8s_policy.is_pinned, has("image", "observability-lab:latest")),
    (k8s_policy.is_pinned, has("image", "redis:1.0-not-listed")),
    (k8s_policy.is_pinned, init_container),
    (k8s_policy.settings_are_known, has("env", [{"name": "LAB_REDIS_ULR", "value": ""}])),
    (k8s_policy.selects_something, has("selector", {"app.kubernetes.io/name": "apo"}, of=spec("Service"))),
    (k8s_policy.selects_something, has("selector", {}, of=spec("Service"))),
    (k8s_policy.selects_something, has("matchLabels", {"a": "b"}, "selector", of=spec("PodDisruptionBudget"))),
    (k8s_policy.selects_something, has("matchLabels", {"a": "b"}, "podSelector", of=spec("NetworkPolicy"))),
    (k8s_policy.selects_something, has("matchLabels", {"a": "b"}, "selector", of=spec("Deployment"))),
    (k8s_policy.ports_exist, has("ports", [{"port": 80, "targetPort": "web"}], of=spec("Service"))),
    (k8s_policy.targets_exist, has("name", "apo", "scaleTargetRef", of=spec("HorizontalPodAutoscaler"))),
    (k8s_policy.targets_exist, has("replicas", 2, of=spec("Deployment"))),
    (k8s_policy.targets_exist, second_autoscaler),
    (k8s_policy.references_exist, has("volumes", [{"name": "s", "secret": {"secretName": "lob"}}], of=pod)),
    (k8s_policy.references_exist, has("volumes", [{"name": "s", "configMap": {"name": "none"}}], of=pod)),
    (
        k8s_policy.references_exist,
        has("volumes", [{"name": "s", "projected": {"sources": [{"secret": {"name": "none"}}]}}], of=pod),
    ),
    (k8s_policy.references_exist, has("envFrom", [{"configMapRef": {"name": "none"}}])),
    (k8s_policy.tells_no_secret, has("args", ["api", SECRET])),
    (k8s_policy.tells_no_secret, has("env", [{"name": "POSTGRES_PASSWORD", "value": "x"}])),
    (k8s_policy.tells_no_secret, has("env", [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "lab"}}}])),
    (k8s_policy.tells_no_secret, has("envFrom", [{"secretRef": {"name": "lab"}}])),
    (k8s_policy.tells_no_secret, url_in_a_config_map),
    (k8s_policy.denies_by_default, has("policyTypes", ["Ingress"], of=spec("NetworkPolicy"))),
    (k8s_policy.denies_by_default, has("ingress", [{}], of=spec("NetworkPolicy"))),
    (k8s_policy.is_restricted, lambda manifests: manifests["Namespace"]["metadata"].pop("labels")),
)


def complaints(manifests: dict[str, Manifest], rules: tuple[Rule, ...] = OVERLAY_RULES) -> dict[str, list[str]]:
    found = {rule.__name__: list(rule(list(manifests.values()))) for rule in rules}
    return {rule: said for rule, said in found.items() if said}


def test_a_sound_deployment_breaks_no_rule() -> None:
    assert complaints(sound()) == {}


@pytest.mark.parametrize(("rule", "change"), WRONG, ids=[f"{n}-{rule.__name__}" for n, (rule, _) in enumerate(WRONG)])
def test_a_wrong_manifest_breaks_the_rule_that_guards_it(rule: Rule, change: Callable[..., None]) -> None:
    manifests = sound()
    change(manifests)
    broken = complaints(manifests)
    assert rule.__name__ in broken, broken
    assert all("/" in said for said in broken[rule.__name__])


def test_every_rule_has_a_wrong_manifest() -> None:
    assert {rule for rule, _ in WRONG} == set(OVERLAY_RULES)


def test_a_secret_that_is_written_down_is_found(tmp_path: Path) -> None:
    file = tmp_path / "secret.yaml"
    file.write_text("kind: ConfigMap\n---\nkind: Secret\nstringData:\n  a: b\n")
    assert list(secrets_written_down(tmp_path)) == ["secret.yaml holds a Secret with values"]
    file.unlink()
    file = tmp_path / "kustomization.yaml"
    file.write_text("secretGenerator:\n  - name: lab\n    literals: [a=b]\n")
    assert len(list(secrets_written_down(tmp_path))) == 1
    file.write_text("secretGenerator:\n  - name: lab\n    files: [secrets/a]\n")
    assert list(secrets_written_down(tmp_path)) == []
