"""Every overlay, as `kubectl kustomize` prints it: it fits the schemas of Kubernetes and keeps every rule."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource

from tests.k8s_manifests import (
    K8S,
    KUBE_VERSION,
    Manifest,
    copied_project,
    kustomizations,
    kustomized,
    name_of,
    of_kind,
)
from tests.k8s_policy import OVERLAY_RULES, secrets_written_down

OVERLAYS = kustomizations("overlays")
COMPONENTS = kustomizations("components")
BESIDE = {"loadtest": "local"}
"""Overlays that are no deployment of their own, and the one beside which they are tried here."""
EXCEPTIONS: dict[str, Any] = yaml.safe_load((K8S / "exceptions.yaml").read_text(encoding="utf-8"))
# Made from the definitions' own openAPIV3Schema (KEDA 2.18.1, Gateway API 1.4.1), without texts; Traefik's Middleware
# after its reference, what we use of it. Unknown keys are errors.
SCHEMAS = {
    (schema["properties"]["apiVersion"]["const"], schema["properties"]["kind"]["const"]): schema
    for schema in map(json.loads, (path.read_text() for path in sorted(Path(__file__).parent.glob("schemas/*.json"))))
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied_project(tmp_path_factory.mktemp("project"))


def rendered(project: Path, overlay: str) -> list[Manifest]:
    found = kustomized(project / "k8s" / "overlays" / overlay)
    return found + (kustomized(project / "k8s" / "overlays" / BESIDE[overlay]) if overlay in BESIDE else [])


def with_component(project: Path, component: str) -> list[Manifest]:
    """Return the local overlay with one component on top."""
    folder = project / "k8s" / "overlays" / f"local-with-{component}"
    folder.mkdir(exist_ok=True)
    parts = {"resources": ["../local"], "components": [f"../../components/{component}"], "namespace": "lab"}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(parts))
    return kustomized(folder)


@cache
def validator(api_version: str, kind: str) -> Any:
    """Return what validates a kind; made once, since it is large. None for an unknown one."""
    if (api_version, kind) in SCHEMAS:
        return jsonschema.Draft202012Validator(SCHEMAS[api_version, kind])
    group, _, version = api_version.rpartition("/")
    name = f"{kind}-{group.partition('.')[0]}-{version}" if group else f"{kind}-{version}"
    folder = f"kubernetes-json-schema/v{KUBE_VERSION}-local-strict"
    try:
        schema = schema_contents(f"{folder}/{name.lower()}.json", KUBE_VERSION)
    except FileNotFoundError:
        return None
    return jsonschema.Draft202012Validator(schema, registry=definitions(folder))


@cache
def definitions(folder: str) -> Any:
    contents = schema_contents(f"{folder}/_definitions.json", KUBE_VERSION)
    return Resource.from_contents(contents) @ Registry()


def misfits(manifest: Manifest) -> list[str]:
    """Return what of a manifest does not fit its schema."""
    known = validator(manifest["apiVersion"], manifest["kind"])
    if known is None:
        return [f"{name_of(manifest)}: no schema for {manifest['apiVersion']}"]
    return [f"{name_of(manifest)}: {error.json_path}: {error.message}" for error in known.iter_errors(manifest)]


def complaints(manifests: list[Manifest]) -> set[str]:
    """Return what breaks a rule and is no exception, and every exception that is none."""
    allowed = {(one["rule"], one["subject"]) for one in EXCEPTIONS["exceptions"]}
    there = {name_of(one) for one in manifests}
    found = {
        (rule.__name__, said.partition(":")[0].split(" ")[0], said)
        for rule in OVERLAY_RULES
        for said in rule(manifests)
    }
    used = {(rule, subject) for rule, subject, _ in found}
    needless = {
        f"{rule} of {subject} is an exception without need" for rule, subject in allowed - used if subject in there
    }
    return {f"{rule}: {said}" for rule, subject, said in found if (rule, subject) not in allowed} | needless


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_fits_the_schemas_and_keeps_the_rules(project: Path, overlay: str) -> None:
    manifests = rendered(project, overlay)
    assert [wrong for one in manifests for wrong in misfits(one)] == []
    assert complaints(manifests) == set()


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_fits_the_local_overlay(project: Path, component: str) -> None:
    manifests = with_component(project, component)
    assert [wrong for one in manifests for wrong in misfits(one)] == []
    assert complaints(manifests) == set()


def test_a_wrong_key_does_not_fit_a_schema(project: Path) -> None:
    """The control: kinds of Kubernetes itself and kinds that were added to it."""
    manifests = with_component(project, "keda-worker")
    for kind in ("Deployment", "ScaledObject", "HTTPRoute", "Middleware", "NetworkPolicy"):
        manifest = next(of_kind(manifests, kind))
        assert misfits(manifest) == []
        manifest["spec"]["replicsa"] = 2
        assert len(misfits(manifest)) == 1, kind
    assert misfits({"apiVersion": "v1", "kind": "Deploymnet", "metadata": {"name": "x"}}) != []


def test_an_exception_that_is_not_needed_is_told(project: Path) -> None:
    manifests = rendered(project, "local")
    traefik = next(one for one in of_kind(manifests, "Deployment") if one["metadata"]["name"] == "traefik")
    traefik["spec"]["template"]["spec"]["automountServiceAccountToken"] = False
    assert complaints(manifests) == {"holds_no_token of Deployment/traefik is an exception without need"}


def test_no_secret_is_written_down() -> None:
    assert list(secrets_written_down(K8S)) == []


def test_the_cloud_overlay_keeps_no_data_in_the_cluster(project: Path) -> None:
    """Stores are managed ones there: what is left in the cluster may be lost."""
    stores = {"redis", "redis-jobs", "kafka", "postgres"}
    kinds = ("Deployment", "StatefulSet", "Service")
    there = {one["metadata"]["name"] for one in of_kind(rendered(project, "local"), *kinds)}
    assert stores <= there
    cloud = rendered(project, "cloud")
    assert stores & {one["metadata"]["name"] for one in of_kind(cloud, *kinds)} == set()
    images = {c["image"] for one in of_kind(cloud, "Deployment") for c in one["spec"]["template"]["spec"]["containers"]}
    assert not [image for image in images if image.startswith("observability-lab")]
