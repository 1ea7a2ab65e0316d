"""LAB_NAMESPACE and LAB_OVERLAY: which files `lab up --engine k8s` applies."""

from pathlib import Path

import pytest

from labkit.engines.kubernetes_stack import overlay_of
from labkit.errors import CannotRun
from labkit.home import Home
from tests.k8s_manifests import copied_project, kustomized, of_kind

CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding", "GatewayClass", "Namespace"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("project")
    return Home(copied_project(folder / "project"), folder / ".lab")


def test_another_namespace_takes_all_of_the_overlay(home: Home) -> None:
    manifests = kustomized(overlay_of(home, {}, "class-7"))
    assert len(manifests) > 50
    assert {one["metadata"].get("namespace") for one in manifests if one["kind"] not in CLUSTER_WIDE} == {"class-7"}
    (namespace,) = of_kind(manifests, "Namespace")
    assert namespace["metadata"]["name"] == "class-7"
    for binding in of_kind(manifests, "RoleBinding", "ClusterRoleBinding"):
        assert [one["namespace"] for one in binding["subjects"]] == ["class-7"], binding["metadata"]["name"]


def test_the_default_is_the_folder_that_people_apply(home: Home) -> None:
    assert overlay_of(home, {}, "lab") == home.root / "k8s" / "overlays" / "local"
    assert overlay_of(home, {"LAB_OVERLAY": "canary"}, "lab") == home.root / "k8s" / "overlays" / "canary"


def test_an_unknown_overlay_is_told_with_those_that_there_are(home: Home) -> None:
    with pytest.raises(CannotRun, match=r"LAB_OVERLAY=locla: there are .*canary.*local"):
        overlay_of(home, {"LAB_OVERLAY": "locla"}, "lab")


def test_the_canary_overlay_gives_a_tenth_by_every_rule(home: Home) -> None:
    manifests = kustomized(Path(home.root / "k8s" / "overlays" / "canary"))
    (route,) = of_kind(manifests, "HTTPRoute")
    shares = [{one["name"]: one["weight"] for one in rule["backendRefs"]} for rule in route["spec"]["rules"]]
    assert shares == [{"api": 90, "api-canary": 10}] * len(shares)
    replicas = {one["metadata"]["name"]: one["spec"]["replicas"] for one in of_kind(manifests, "Deployment")}
    assert (replicas["api"], replicas["api-canary"]) == (2, 1)
