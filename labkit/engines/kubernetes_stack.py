"""Applying and deleting the files of k8s/: what `lab up`, `lab down` and `lab status` do with a cluster."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labkit.engines.kubectl import Kubectl, kubectl_of
from labkit.engines.secrets import make_secrets
from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.control import alone
from labkit.stack.obtain.program import Say
from labkit.stack.status import Row, Status
from labkit.urls import Urls, publish, withdraw

ROLLED_OUT_S = 300.0
SETTLED_S = 2.0
"""Until the edge has taken over a change, of which the cluster tells it at once; several within 0.2 s are one."""
OURS = ("--selector", "app.kubernetes.io/part-of=observability-lab")


def start(home: Home, environ: Mapping[str, str], say: Say, profiles: Sequence[str] = ()) -> bool:
    """Apply an overlay and return once all of it is ready; False when nothing had to be changed. Raises CannotRun."""
    if profiles:
        there = ", ".join(profiles)
        raise CannotRun(
            f"Kubernetes has overlays, not profiles ({there}); next: LAB_OVERLAY=canary lab up --engine k8s"
        )
    kubectl = kubectl_of(environ)
    with alone(home):
        make_secrets(home)
        overlay = overlay_of(home, environ, kubectl.namespace)
        say(f"kubectl apply --kustomize {overlay}")
        applied = kubectl.run("apply", "--kustomize", str(overlay), within=ROLLED_OUT_S)
        for one in _controllers(kubectl):
            say(f"waiting for {_named(one)}")
            kubectl.rolled_out(_named(one), ROLLED_OUT_S)
        time.sleep(SETTLED_S)
        publish(home, addresses(kubectl, home))
    return any(not line.endswith(" unchanged") for line in applied.splitlines())


def stop(home: Home, say: Say) -> bool:
    """Delete what the overlay has made, volumes too: they are the namespace's. False when it was not there."""
    kubectl = kubectl_of(os.environ)
    there = bool(kubectl.items("deployments", *OURS))
    if there:
        overlay = overlay_of(home, os.environ, kubectl.namespace)
        say(f"kubectl delete --kustomize {overlay}")
        kubectl.run("delete", "--kustomize", str(overlay), "--ignore-not-found", within=ROLLED_OUT_S)
    withdraw(home)
    return there


def look(home: Home) -> Status:  # noqa: ARG001 - the cluster knows, no file of ours
    """Look at the pods: memory and CPU as the cluster's metrics-server last measured them, where it has one."""
    kubectl = kubectl_of(os.environ)
    pods = kubectl.items("pods", *OURS)
    used = _used(kubectl)
    rows = tuple(_row(pod, used.get(pod["metadata"]["name"], (None, None))) for pod in pods)
    ready = bool(rows) and all(row.state == "ready" for row in rows)
    return Status(ready, "up" if ready else "starting" if rows else "down", None, "traefik" if rows else None, rows)


def addresses(kubectl: Kubectl, home: Home) -> Urls:
    """Return what has a port on the nodes; all else is reached inside the cluster alone. Raises CannotRun."""
    node = _node(kubectl)
    services = {one["metadata"]["name"]: one["spec"]["ports"][0] for one in kubectl.items("services")}

    def url(name: str) -> str | None:
        port = services.get(name, {}).get("nodePort")
        return f"http://{node}:{port}" if port else None

    service = url("traefik")
    if service is None:
        forward = f"kubectl --namespace {kubectl.namespace} port-forward service/traefik 18080:80"
        raise CannotRun(
            f"the edge has no port on the nodes; next: {forward}, then LAB_SERVICE_URL=http://127.0.0.1:18080"
        )
    return Urls(
        service=service,
        engine="k8s",
        edge="traefik",
        prometheus=url("prometheus"),
        alertmanager=url("alertmanager"),
        logs=url("elasticsearch"),
        elasticsearch=url("elasticsearch"),
        grafana=url("grafana"),
        api_key_file=str(home.secrets / "api-key"),
    )


def overlay_of(home: Home, environ: Mapping[str, str], namespace: str) -> Path:
    """Return the folder to apply: that of the overlay, or one that puts it into another namespace. Raises CannotRun."""
    name = environ.get("LAB_OVERLAY") or "local"
    overlay = home.root / "k8s" / "overlays" / name
    if not (overlay / "kustomization.yaml").is_file():
        there = ", ".join(sorted(path.parent.name for path in overlay.parent.glob("*/kustomization.yaml")))
        raise CannotRun(f"LAB_OVERLAY={name}: there are {there}; next: LAB_OVERLAY=local lab up --engine k8s")
    if namespace == "lab":
        return overlay
    moved = home.run / "kubernetes"
    moved.mkdir(parents=True, exist_ok=True)
    relative = os.path.relpath(overlay, moved.resolve())
    (moved / "kustomization.yaml").write_text(f"namespace: {namespace}\nresources: [{relative}]\n", encoding="utf-8")
    return moved


def _controllers(kubectl: Kubectl) -> list[dict[str, Any]]:
    """Return what is to have pods."""
    return [one for one in kubectl.items("deployments,statefulsets", *OURS) if one["spec"]["replicas"]]


def _named(one: Mapping[str, Any]) -> str:
    return f"{one['kind'].lower()}/{one['metadata']['name']}"


def _node(kubectl: Kubectl) -> str:
    """Return the address of a node, an external one where there is any."""
    found = [address for node in kubectl.items("nodes") for address in node["status"]["addresses"]]
    for kind in ("ExternalIP", "InternalIP"):
        for address in found:
            if address["type"] == kind:
                return str(address["address"])
    raise CannotRun("no node of the cluster has an address; next: kubectl get nodes --output wide")


def _row(pod: Mapping[str, Any], used: tuple[float | None, int | None]) -> Row:
    containers = pod["status"].get("containerStatuses", [])
    ends = [one["lastState"]["terminated"] for one in containers if "terminated" in one.get("lastState", {})]
    well = bool(containers) and all(one["ready"] for one in containers)
    return Row(
        name=pod["metadata"]["name"],
        state="ready" if well else str(pod["status"]["phase"]).lower(),
        pid=None,
        port=None,
        rss=used[1],
        pss=None,
        cpu_percent=used[0],
        restarts=sum(one["restartCount"] for one in containers),
        last_exit=f"exit code {ends[-1]['exitCode']}" if ends else None,
    )


def _used(kubectl: Kubectl) -> dict[str, tuple[float | None, int | None]]:
    """Return percent of a core and bytes of each pod; nothing where no metrics-server answers."""
    try:
        lines = kubectl.run("top", "pods", "--no-headers", within=20.0).splitlines()
    except CannotRun:
        return {}
    found: dict[str, tuple[float | None, int | None]] = {}
    for name, cpu, memory in (line.split() for line in lines):
        found[name] = (int(cpu.removesuffix("m")) / 10, int(memory.removesuffix("Mi")) << 20)
    return found
