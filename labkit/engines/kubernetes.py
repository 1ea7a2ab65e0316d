"""The deployment of k8s/ in a cluster: LAB_NAMESPACE (default lab) says where, LAB_OVERLAY (default local) which files.

KUBECONFIG and LAB_CONTEXT choose the cluster. Its nodes must have the image of a release before that is asked for.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from labkit.engines.edge_view import scraped_hosts
from labkit.engines.engine import Replica, check_weight
from labkit.engines.kubectl import Kubectl, kubectl_of
from labkit.engines.kubernetes_stack import ROLLED_OUT_S, SETTLED_S, addresses, look, start, stop
from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.obtain.program import Say
from labkit.urls import Urls, publish

__all__ = ["Kubernetes", "look", "open_engine", "start", "stop"]

API, CANARY, ROUTE = "api", "api-canary", "api"
GONE_S = 60.0
POLL_S = 0.25


class Kubernetes:
    """See labkit.engines.engine.Engine."""

    name = "k8s"

    def __init__(self, kubectl: Kubectl, home: Home) -> None:
        self._kubectl = kubectl
        self._home = home

    def urls(self) -> Urls:
        urls = addresses(self._kubectl, self._home)
        publish(self._home, urls)
        return urls

    def replicas(self) -> tuple[Replica, ...]:
        """One that goes still answers what it has in hand, and is none of them."""
        return tuple(
            Replica(pod["metadata"]["name"], _image(pod["spec"]).rpartition(":")[2], _ready(pod))
            for pod in self._pods(API)
            if not _going(pod)
        )

    def kill(self, replica: str) -> None:
        """End every process of the container but the first, which ends with them; Kubernetes starts it again in place.

        Not by deleting the pod: that tells everybody beforehand.
        """
        self._kubectl.run("exec", replica, "--container", "api", "--", "sh", "-c", "kill -KILL -1")

    def scale(self, count: int) -> None:
        if count < 1:
            raise CannotRun(f"{count} replicas cannot answer; next: lab scale api 1")
        self._kubectl.run("scale", f"deployment/{API}", f"--replicas={count}")
        self._settled(API)

    def update(self, release: str) -> None:
        repository = self._image_of_replicas().rpartition(":")[0]
        self._kubectl.run("set", "image", f"deployment/{API}", f"api={repository}:{release}")
        self._settled(API)

    def rollback(self) -> None:
        self._kubectl.run("rollout", "undo", f"deployment/{API}")
        self._settled(API)

    def canary(self, weight: int) -> None:
        check_weight(weight)
        if weight:
            self._kubectl.run("set", "image", f"deployment/{CANARY}", f"api={self._image_of_replicas()}")
            self._kubectl.run("scale", f"deployment/{CANARY}", "--replicas=1")
            self._settled(CANARY)
        rules = self._kubectl.read("httproute", ROUTE)["spec"]["rules"]
        changes = [change for place, rule in enumerate(rules) for change in _shares(place, rule, weight)]
        self._kubectl.patch("httproute", ROUTE, changes)
        time.sleep(SETTLED_S)
        if not weight:
            self._kubectl.run("scale", f"deployment/{CANARY}", "--replicas=0")
            self._settled(CANARY)

    def _settled(self, deployment: str) -> None:
        """Wait until its pods are all of the wanted kind and ready, no other is there, and edge and Prometheus know."""
        self._kubectl.rolled_out(f"deployment/{deployment}", ROLLED_OUT_S)
        wanted = int(self._kubectl.read(f"deployment/{deployment}")["spec"]["replicas"])
        prometheus = addresses(self._kubectl, self._home).prometheus

        def alone() -> bool:
            pods = self._pods(deployment)
            return len(pods) == wanted and all(_ready(pod) and not _going(pod) for pod in pods)

        def scraped() -> bool:
            hosts = frozenset(str(pod["status"].get("podIP")) for pod in (*self._pods(API), *self._pods(CANARY)))
            return prometheus is None or scraped_hosts(prometheus, "api") == hosts

        self._until(alone, f"there are not {wanted} ready pods of {deployment} and no other")
        self._until(scraped, f"Prometheus does not scrape exactly the pods of {deployment}")
        time.sleep(SETTLED_S)

    def _until(self, met: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + GONE_S
        while not met():
            if time.monotonic() > deadline:
                next_step = f"next: kubectl --namespace {self._kubectl.namespace} get pods"
                raise CannotRun(f"{otherwise} after {GONE_S:.0f} s; {next_step}")
            time.sleep(POLL_S)

    def _pods(self, name: str) -> list[dict[str, Any]]:
        return self._kubectl.items("pods", "--selector", f"app.kubernetes.io/name={name}")

    def _image_of_replicas(self) -> str:
        return _image(self._kubectl.read(f"deployment/{API}")["spec"]["template"]["spec"])


def open_engine(home: Home, environ: Mapping[str, str], say: Say) -> Kubernetes:  # noqa: ARG001 - it has nothing to say
    """Return the deployment in the cluster. Raises CannotRun when it is not there."""
    kubectl = kubectl_of(environ)
    kubectl.read(f"deployment/{API}", within=20.0)
    return Kubernetes(kubectl, home)


def _image(spec: Mapping[str, Any]) -> str:
    """Return the image of the service's container."""
    return next(str(one["image"]) for one in spec["containers"] if one["name"] == "api")


def _shares(place: int, rule: Mapping[str, Any], weight: int) -> list[dict[str, Any]]:
    """Return what gives the canary its weight in one rule of the route. Raises CannotRun."""
    places = {one["name"]: number for number, one in enumerate(rule["backendRefs"])}
    if not {API, CANARY} <= places.keys():
        there = ", ".join(places)
        raise CannotRun(f"a rule of httproute/{ROUTE} names {there}; next: kubectl apply -k k8s/overlays/local")
    before = f"/spec/rules/{place}/backendRefs"
    return [
        {"op": "replace", "path": f"{before}/{places[name]}/weight", "value": share}
        for name, share in ((API, 100 - weight), (CANARY, weight))
    ]


def _ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _going(pod: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" in pod["metadata"]
