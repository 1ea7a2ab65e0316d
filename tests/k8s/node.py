"""A Kubernetes of one node for tests, where kubectl reaches none: brought up by the tools beside the project."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.docker import standins
from tests.k8s.definitions import MADE, missing

IMAGES = (
    "redis", "apache/kafka", "postgres", "elasticsearch", "traefik", "prom/prometheus", "prom/alertmanager",
    "prom/node-exporter", "grafana/grafana",
)  # fmt: skip
OWNERS = {"redis-jobs": 999, "kafka": 1000, "postgres": 999, "elasticsearch": 1000, "prometheus": 65534}
"""Whose volume, and the user that writes it: a folder of the node has no fsGroup."""


class Node:
    """The cluster; `started` says whether `up` brought it up, so that `down` ends no other's."""

    def __init__(self, tools: Path) -> None:
        self._tools = tools
        self.started = False
        told = self._sourced('printf "%s\\n" "$KUBECONFIG" "$RUN" "$CRDS" "$PATH"').splitlines()
        self.kubeconfig, self.run, self.definitions, path = told
        self.environment = {**os.environ, "KUBECONFIG": self.kubeconfig, "PATH": path}

    def up(self, images: list[str]) -> None:
        """Make sure that it runs and has these images. Raises RuntimeError."""
        if self.kubectl("get", "--raw", "/readyz", check=False):
            for image in images:
                self._sourced(f"docker save {image} | $CTR images import -", within=300)
        else:
            self._tool("build", within=2400)
            self._tool("down", within=120)  # what one that was cut off has left
            self._tool("up", *images, within=900)
            self.started = True

    def define(self) -> None:
        """Define the kinds that the lab and its edge need, as far as they are missing."""
        there = {one["metadata"]["name"] for one in self._items("customresourcedefinitions")}
        if "httproutes.gateway.networking.k8s.io" not in there:
            self.kubectl("apply", "--server-side", "--filename", f"{self.definitions}/gateway-api.yaml")
        self._apply(missing(there))

    def make_volumes(self, namespace: str) -> None:
        """Make an empty volume for each claim of the lab: the node has none to give by itself."""
        for name, owner in OWNERS.items():
            folder = self._folder(namespace, name)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            os.chown(folder, owner, owner)
        self._apply([self._volume(namespace, name) for name in OWNERS])

    def clean(self, namespace: str) -> None:
        """Remove what these tests have made in the cluster beside the namespace itself."""
        selector = ",".join(f"{name}={value}" for name, value in MADE.items())
        kinds = "persistentvolumes,customresourcedefinitions"
        self.kubectl("delete", kinds, "--selector", selector, "--ignore-not-found", within=120)
        for name in OWNERS:
            shutil.rmtree(self._folder(namespace, name), ignore_errors=True)

    def down(self) -> None:
        if self.started:
            self._tool("down", within=120)

    def kubectl(self, *arguments: str, given: str = "", check: bool = True, within: float = 60) -> str:
        """Return what kubectl printed; without `check`, nothing when it failed. Raises RuntimeError."""
        done = subprocess.run(
            ["kubectl", *arguments], env=self.environment, input=given, capture_output=True, text=True,
            check=False, timeout=within,
        )  # fmt: skip
        if done.returncode and check:
            raise RuntimeError(f"kubectl {' '.join(arguments)} failed: {done.stderr[-2000:]}")
        return "" if done.returncode else done.stdout

    def _items(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, "--output", "json"))["items"]
        return found

    def _apply(self, objects: list[dict[str, Any]]) -> None:
        if objects:
            several = {"apiVersion": "v1", "kind": "List", "items": objects}
            self.kubectl("apply", "--filename", "-", given=json.dumps(several))

    def _folder(self, namespace: str, name: str) -> Path:
        return Path(self.run) / "pv" / f"{namespace}-{name}"

    def _volume(self, namespace: str, name: str) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"{namespace}-{name}", "labels": MADE},
            "spec": {
                "capacity": {"storage": "2Gi"},
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain",
                "hostPath": {"path": str(self._folder(namespace, name))},
                "claimRef": {"namespace": namespace, "name": f"data-{name}-0"},
            },
        }

    def _tool(self, name: str, *arguments: str, within: float) -> None:
        self._command([str(self._tools / name), *arguments], within)

    def _sourced(self, script: str, within: float = 30) -> str:
        """Run a line of shell with the settings of the node's tools, and return what it printed."""
        return self._command(
            ["bash", "-c", f'set -eo pipefail; D="$0"; . "$D/env.sh"; {script}', str(self._tools)], within
        )

    def _command(self, command: list[str], within: float) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=within)
        if done.returncode:
            tail = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
            raise RuntimeError(f"{' '.join(command)} failed ({done.returncode}):\n{tail}")
        return done.stdout


def images() -> list[str]:
    """Return the images that the cluster must have, made where they were missing: others' and both releases of ours."""
    pinned = standins.pinned()
    if gone := set(standins.make_images(IMAGES)) & {f"{name}:{pinned[name][0]}" for name in IMAGES}:
        raise standins.Unavailable(
            f"images that no registry gives and that cannot be made here: {', '.join(sorted(gone))}"
        )
    ours = [*(standins.make_ours(release) for release in standins.RELEASES), standins.make_load()]
    return [*(f"{name}:{pinned[name][0]}" for name in IMAGES), *ours]
