"""Calls of kubectl, for the engine of Kubernetes: whichever cluster and context it reaches."""

import json
import shutil
from collections.abc import Mapping
from typing import Any

from labkit.engines.calls import called
from labkit.errors import CannotRun

NEXT = "next: kubectl cluster-info; KUBECONFIG and LAB_CONTEXT choose a cluster"


class Kubectl:
    """kubectl in one namespace of one cluster; a call that fails raises CannotRun with its last line."""

    def __init__(self, namespace: str, context: str, environ: Mapping[str, str]) -> None:
        """`context` is one of the kubeconfig's, empty for its current one."""
        self.namespace = namespace
        self._before = [*(["--context", context] if context else []), "--namespace", namespace]
        self._environ = dict(environ)

    def run(self, *arguments: str, given: str | None = None, within: float = 60.0) -> str:
        """Return what `kubectl ...` printed; `given` is its standard input, `within` seconds."""
        shown = f"kubectl {' '.join(arguments)}"
        if shutil.which("kubectl", path=self._environ.get("PATH")) is None:
            raise CannotRun("no `kubectl` on PATH; next: install it, or `lab up` without Kubernetes")
        return called(
            ["kubectl", *self._before, *arguments],
            shown,
            within=within,
            environ=self._environ,
            given=given or "",
            late=f"; {NEXT}",
            failed=f"; {NEXT}",
        )

    def read(self, *arguments: str, within: float = 60.0) -> dict[str, Any]:
        """Return what `kubectl get ...` found."""
        found: dict[str, Any] = json.loads(self.run("get", *arguments, "--output", "json", within=within))
        return found

    def items(self, *arguments: str) -> list[dict[str, Any]]:
        """Return the objects of a `kubectl get KIND ...`, in the order of their names."""
        found: list[dict[str, Any]] = self.read(*arguments)["items"]
        return sorted(found, key=lambda one: str(one["metadata"]["name"]))

    def patch(self, kind: str, name: str, operations: list[dict[str, Any]]) -> None:
        """Change an object by JSON Patch (RFC 6902)."""
        self.run("patch", kind, name, "--type", "json", "--patch", json.dumps(operations))

    def rolled_out(self, deployment: str, within: float) -> None:
        """Wait until every pod of a deployment (kind/name) is of its newest kind and available."""
        self.run("rollout", "status", deployment, f"--timeout={within:.0f}s", within=within + 10)


def kubectl_of(environ: Mapping[str, str]) -> Kubectl:
    """Return kubectl for the namespace and the context that LAB_NAMESPACE (default lab) and LAB_CONTEXT name."""
    return Kubectl(environ.get("LAB_NAMESPACE") or "lab", environ.get("LAB_CONTEXT", ""), environ)
