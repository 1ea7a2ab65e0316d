"""What every manifest must keep. Each rule yields complaints, each of which begins with the manifest's Kind/name."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.k8s_manifests import ROOT, SECRET, Manifest, PodTemplate, name_of, of_kind, pod_templates

Rule = Callable[[Sequence[Manifest]], Iterator[str]]
Container = Mapping[str, Any]

OURS = ("observability-lab", "observability-lab-load")
LIMITED = ("cpu", "memory")
CREDENTIALS = re.compile(r"://[^/\s:@]*:[^/\s@\\,]+@")
SECRET_NAME = re.compile(r"(PASSWORD|TOKEN|SECRET|API_KEY)$")


def known_images() -> set[str]:
    """Return NAME:TAG of every image that may be used, beside ours."""
    lines = (ROOT / "requirements" / "images.txt").read_text(encoding="utf-8").splitlines()
    return {line.replace("=", ":", 1) for line in lines if line and not line.startswith("#")}


def _each_container(manifests: Sequence[Manifest]) -> Iterator[tuple[str, PodTemplate, Container]]:
    for pod in pod_templates(manifests):
        for container in pod.containers():
            yield f"{pod.owner}: container {container['name']}", pod, container


def runs_as_a_user(manifests: Sequence[Manifest]) -> Iterator[str]:
    for where, pod, container in _each_container(manifests):
        merged = {**pod.spec.get("securityContext", {}), **container.get("securityContext", {})}
        if merged.get("runAsNonRoot") is not True or not merged.get("runAsUser"):
            yield f"{where} may run as root: runAsNonRoot {merged.get('runAsNonRoot')}, user {merged.get('runAsUser')}"


def is_confined(manifests: Sequence[Manifest]) -> Iterator[str]:
    for where, pod, container in _each_container(manifests):
        own = container.get("securityContext", {})
        merged = {**pod.spec.get("securityContext", {}), **own}
        if own.get("readOnlyRootFilesystem") is not True:
            yield f"{where} has a writable root file system"
        if own.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{where} keeps capabilities: {own.get('capabilities')}"
        if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
            yield f"{where} may gain privileges"
        if merged.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{where} has no seccomp profile"


def shares_nothing_of_the_node(manifests: Sequence[Manifest]) -> Iterator[str]:
    for pod in pod_templates(manifests):
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.spec.get(key):
                yield f"{pod.owner} has {key}"
        for volume in pod.spec.get("volumes", []):
            if "hostPath" in volume:
                yield f"{pod.owner} mounts {volume['hostPath']['path']} of the node"
    for where, _, container in _each_container(manifests):
        if any("hostPort" in port for port in container.get("ports", [])):
            yield f"{where} takes a port of the node"


def has_limits(manifests: Sequence[Manifest]) -> Iterator[str]:
    for where, _, container in _each_container(manifests):
        for part in ("requests", "limits"):
            given = container.get("resources", {}).get(part, {})
            if missing := [name for name in LIMITED if name not in given]:
                yield f"{where} has no {part} of {' and '.join(missing)}"


def is_probed(manifests: Sequence[Manifest]) -> Iterator[str]:
    for pod in pod_templates(manifests):
        for container in pod.servers():
            for probe in ("readinessProbe", "livenessProbe"):
                if probe not in container:
                    yield f"{pod.owner}: container {container['name']} has no {probe}"


def holds_no_token(manifests: Sequence[Manifest]) -> Iterator[str]:
    for pod in pod_templates(manifests):
        if pod.spec.get("automountServiceAccountToken") is not False:
            yield f"{pod.owner} has a service-account token"


def is_pinned(manifests: Sequence[Manifest]) -> Iterator[str]:
    known = known_images()
    for where, _, container in _each_container(manifests):
        image: str = container["image"]
        name, _, tag = image.rpartition(":")
        if not name or tag == "latest":
            yield f"{where} has no fixed version: {image}"
        elif name.rpartition("/")[2] not in OURS and image not in known:
            yield f"{where} has {image}, which requirements/images.txt does not list"


def selects_something(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Services, budgets and policies choose pods that exist; controllers choose their own."""
    pods = list(pod_templates(manifests))
    for one in manifests:
        spec = one.get("spec", {})
        kind = one["kind"]
        chosen: Mapping[str, str] | None = None
        if kind == "Service" and spec.get("type") != "ExternalName":
            chosen = spec.get("selector", {})
            if not chosen:
                yield f"{name_of(one)} selects nothing"
                continue
        elif kind == "PodDisruptionBudget":
            chosen = spec.get("selector", {}).get("matchLabels", {})
        elif kind == "NetworkPolicy":
            chosen = spec.get("podSelector", {}).get("matchLabels", {})
        elif kind in ("Deployment", "StatefulSet", "DaemonSet"):
            own = next(pod.labels for pod in pods if pod.owner == name_of(one))
            if not _matches(spec["selector"]["matchLabels"], own):
                yield f"{name_of(one)} does not select its own pods"
        if chosen is not None and not any(_matches(chosen, pod.labels) for pod in pods):
            yield f"{name_of(one)} selects nothing: {chosen}"


def _matches(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return selector.items() <= labels.items()


def ports_exist(manifests: Sequence[Manifest]) -> Iterator[str]:
    """A port that is called by its name is one of the pods' own."""
    pods = list(pod_templates(manifests))
    for one in of_kind(manifests, "Service"):
        chosen = [pod for pod in pods if _matches(one["spec"].get("selector", {"": ""}), pod.labels)]
        names = {port.get("name") for pod in chosen for part in pod.containers() for port in part.get("ports", [])}
        for port in one["spec"].get("ports", []) if chosen else []:
            if isinstance(target := port.get("targetPort"), str) and target not in names:
                yield f"{name_of(one)}: no container has a port {target}"


def targets_exist(manifests: Sequence[Manifest]) -> Iterator[str]:
    """An autoscaler's target exists, has no number of replicas of its own, and no second autoscaler."""
    by_name = {name_of(one): one for one in manifests}
    targets = Counter[str]()
    for one in of_kind(manifests, "HorizontalPodAutoscaler", "ScaledObject"):
        ref = one["spec"]["scaleTargetRef"]
        target = f"{ref.get('kind', 'Deployment')}/{ref['name']}"
        targets[target] += 1
        if target not in by_name:
            yield f"{name_of(one)} scales {target}, which does not exist"
        elif "replicas" in by_name[target]["spec"]:
            yield f"{name_of(one)} scales {target}, which sets replicas itself: applying again resets them"
    for target, n in targets.items():
        if n > 1:
            yield f"{target} has {n} autoscalers, which undo each other"


def references_exist(manifests: Sequence[Manifest]) -> Iterator[str]:
    """A ConfigMap, Secret or volume claim that pods name is among the manifests."""
    there = {name_of(one) for one in manifests}
    for pod in pod_templates(manifests):
        for volume in pod.spec.get("volumes", []):
            for part in (volume, *volume.get("projected", {}).get("sources", [])):
                wanted = _reference(part)
                if wanted and wanted not in there:
                    yield f"{pod.owner} mounts {wanted}, which does not exist"
        for where in pod.containers():
            for source in where.get("envFrom", []):
                wanted = f"ConfigMap/{source['configMapRef']['name']}" if "configMapRef" in source else None
                if wanted and wanted not in there:
                    yield f"{pod.owner} reads {wanted}, which does not exist"


def _reference(volume: Mapping[str, Any]) -> str | None:
    """Return what a volume is made from, as Kind/name; None for one that needs nothing, or may be without it."""
    for key, kind, field in (
        ("configMap", "ConfigMap", "name"),
        ("secret", "Secret", "secretName" if "name" in volume else "name"),
        ("persistentVolumeClaim", "PersistentVolumeClaim", "claimName"),
    ):
        if key in volume and not volume[key].get("optional"):
            return f"{kind}/{volume[key][field]}"
    return None


def settings_are_known(manifests: Sequence[Manifest]) -> Iterator[str]:
    """A LAB_ variable of our services is one of app/config.py: an unknown one stops their start."""
    from app.config import known_variables

    known = set(known_variables())
    known |= {f"{name}_FILE" for name in known}
    for where, _, container in _each_container(manifests):
        if container["image"].rpartition(":")[0].rpartition("/")[2] != OURS[0] or "discovery" in container.get(
            "args", []
        ):
            continue
        for variable in container.get("env", []):
            if variable["name"].startswith("LAB_") and variable["name"] not in known:
                yield f"{where} has {variable['name']}, which app/config.py does not know"


def tells_no_secret(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Secrets come as files: no variable, argument or ConfigMap holds one."""
    for one in manifests:
        if one["kind"] != "Secret" and SECRET in repr(one):
            yield f"{name_of(one)} holds a secret's value"
        if one["kind"] != "Secret" and CREDENTIALS.search(repr(one)):
            yield f"{name_of(one)} holds a URL with a password"
    for where, _, container in _each_container(manifests):
        for variable in container.get("env", []):
            if SECRET_NAME.search(variable["name"]) or "secretKeyRef" in variable.get("valueFrom", {}):
                yield f"{where} gets a secret by the variable {variable['name']}, not by a file"
        if any("secretRef" in source for source in container.get("envFrom", [])):
            yield f"{where} gets secrets by variables, not by files"


def denies_by_default(manifests: Sequence[Manifest]) -> Iterator[str]:
    policies = [one["spec"] for one in of_kind(manifests, "NetworkPolicy")]
    both = [
        one for one in policies if one.get("podSelector") == {} and not one.get("ingress") and not one.get("egress")
    ]
    if not any(set(one.get("policyTypes", [])) == {"Ingress", "Egress"} for one in both):
        yield "NetworkPolicy/default-deny is missing: what is not listed is allowed"


def is_restricted(manifests: Sequence[Manifest]) -> Iterator[str]:
    label = "pod-security.kubernetes.io/enforce"
    for one in of_kind(manifests, "Namespace"):
        if (level := one["metadata"].get("labels", {}).get(label)) != "restricted":
            yield f"{name_of(one)} has Pod Security {level}, not restricted"


POD_RULES: tuple[Rule, ...] = (
    runs_as_a_user,
    is_confined,
    shares_nothing_of_the_node,
    has_limits,
    is_probed,
    holds_no_token,
    is_pinned,
    settings_are_known,
    selects_something,
    ports_exist,
    targets_exist,
    references_exist,
    tells_no_secret,
)
"""What holds for any set of manifests."""
OVERLAY_RULES: tuple[Rule, ...] = (*POD_RULES, denies_by_default, is_restricted)
"""What holds for a whole deployment, which owns its namespace."""


def secrets_written_down(folder: Path) -> Iterator[str]:
    """Yield the files of a folder that hold a Secret with values: those are made where they are used."""
    for path in sorted(folder.rglob("*.y*ml")):
        text = path.read_text(encoding="utf-8")
        for part in re.split(r"^---\s*$", text, flags=re.MULTILINE):
            if re.search(r"^kind: Secret\s*$", part, re.MULTILINE) and re.search(
                r"^(d|stringD)ata:", part, re.MULTILINE
            ):
                yield f"{path.name} holds a Secret with values"
        if path.name == "kustomization.yaml":
            for generator in yaml.safe_load(text).get("secretGenerator", []):
                if "literals" in generator:
                    yield f"{path.name} makes the Secret {generator['name']} from literals"
