"""Kubernetes manifests as `kubectl kustomize` and `helm template` print them, and what is in them."""

import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
K8S = ROOT / "k8s"
CHART = K8S / "helm" / "observability-lab"
KUBE_VERSION = "1.34.0"
LONG_RUNNING = ("Deployment", "StatefulSet", "DaemonSet")
# Stands where the real one does, so that it can be looked for.
SECRET = "a-secret-value-of-the-tests"

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Dashboards are long: the loader in C where there is one."""

Manifest = dict[str, Any]


@dataclass(frozen=True)
class PodTemplate:
    """The pods that a manifest makes: its name as Kind/name, their labels, their spec."""

    owner: str
    labels: Mapping[str, str]
    spec: Mapping[str, Any]
    long_running: bool

    def containers(self) -> Iterator[Mapping[str, Any]]:
        yield from self.spec.get("initContainers", [])
        yield from self.spec["containers"]

    def servers(self) -> Iterator[Mapping[str, Any]]:
        """Yield the containers that are to run for as long as the pod does."""
        sidecars = (one for one in self.spec.get("initContainers", []) if one.get("restartPolicy") == "Always")
        yield from (*self.spec["containers"], *sidecars) if self.long_running else ()


def program(name: str) -> str | None:
    """Return a program of this environment, else of PATH, None when there is none."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.is_file() else shutil.which(name)


def kustomizations(kind: str) -> list[str]:
    """Return the names in k8s/overlays or k8s/components."""
    return sorted(path.parent.name for path in (K8S / kind).glob("*/kustomization.yaml"))


def copied_project(folder: Path) -> Path:
    """Copy what the manifests are made of, with test values for the secrets that `lab init` writes."""
    for path in (path for path in ROOT.iterdir() if (path / "kustomization.yaml").is_file() or _holds_sources(path)):
        shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns("secrets", "__pycache__", "generator"))
    for path in folder.rglob("kustomization.yaml"):
        for generator in yaml.safe_load(path.read_text()).get("secretGenerator", []):
            for entry in generator.get("files", []):
                file = path.parent / entry.rpartition("=")[2]
                file.parent.mkdir(parents=True, exist_ok=True)
                if not file.exists():
                    file.write_text(SECRET)
    return folder


def _holds_sources(path: Path) -> bool:
    return path.name == "k8s" or any(path.glob("*/kustomization.yaml"))


def kustomized(folder: Path) -> list[Manifest]:
    """Return what `kubectl kustomize` prints of a folder."""
    kubectl = program("kubectl")
    assert kubectl, "no kubectl here; next: make setup (it comes with the development packages)"
    return _printed(kubectl, "kustomize", str(folder))


def templated(helm: str, *options: str) -> list[Manifest]:
    """Return what `helm template` prints of the chart."""
    return _printed(helm, "template", "lab", str(CHART), "--kube-version", KUBE_VERSION, *options)


def _printed(*command: str) -> list[Manifest]:
    return [one for one in yaml.load_all(_output(command), Loader=LOADER) if one]


@cache
def _output(command: tuple[str, ...]) -> str:
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    return run.stdout


def name_of(manifest: Manifest) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def of_kind(manifests: Iterable[Manifest], *kinds: str) -> Iterator[Manifest]:
    return (one for one in manifests if one["kind"] in kinds)


def pod_templates(manifests: Iterable[Manifest]) -> Iterator[PodTemplate]:
    for one in manifests:
        spec = one.get("spec", {})
        if one["kind"] == "Pod":
            yield PodTemplate(name_of(one), one["metadata"].get("labels", {}), spec, long_running=True)
            continue
        if one["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        elif one["kind"] not in (*LONG_RUNNING, "Job"):
            continue
        template = spec["template"]
        labels = template.get("metadata", {}).get("labels", {})
        yield PodTemplate(name_of(one), labels, template["spec"], one["kind"] in LONG_RUNNING)
