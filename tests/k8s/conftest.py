"""Fixtures of the tests on a real Kubernetes: a cluster, the lab in a namespace of it.

With KUBECONFIG or LAB_TEST_CONTEXT it is the cluster that kubectl reaches so: its nodes have the images (both releases
of ours), its definitions are there (see k8s/base), and it gives volumes by itself. Else one of this machine's own.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from labkit.engines import kubernetes
from labkit.engines.kubectl import Kubectl, kubectl_of
from labkit.home import Home
from tests.docker import standins
from tests.k8s.node import Node, images
from tests.k8s_manifests import copied_project

NAMESPACE = "lab"
HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder: the first of them may wait for a cluster to be built."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("k8s")
            if item.get_closest_marker("timeout") is None or "autoscaling" in item.name:
                item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Mapping[str, str]]:
    """The environment in which kubectl reaches a cluster that is ready for the lab."""
    context = os.environ.get("LAB_TEST_CONTEXT", "")
    if context or os.environ.get("KUBECONFIG"):
        yield {**os.environ, "LAB_NAMESPACE": NAMESPACE, "LAB_CONTEXT": context}
        return
    if why := standins.lacking("test-k8s"):
        pytest.skip(why)
    tools = standins.shared("k8s-node")
    if tools is None:  # kubectl reaches a cluster as it is
        yield {**os.environ, "LAB_NAMESPACE": NAMESPACE}
        return
    started = False
    node = Node(tools)
    try:
        started = standins.start_engine()
        node.up(images())
        node.define()
        node.make_volumes(NAMESPACE)
        yield {**node.environment, "LAB_NAMESPACE": NAMESPACE}
        node.clean(NAMESPACE)
    except standins.Unavailable as reason:
        pytest.skip(str(reason))
    finally:
        node.down()
        if started:
            standins.stop_engine()


@pytest.fixture(scope="session")
def kubectl(cluster: Mapping[str, str]) -> Kubectl:
    return kubectl_of(cluster)


@pytest.fixture(scope="session")
def k8s_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A copy of the manifests with secrets of its own, and a state folder."""
    folder = tmp_path_factory.mktemp("k8s")
    return Home(copied_project(folder / "project"), folder / ".lab")


@pytest.fixture(scope="session")
def deployment(cluster: Mapping[str, str], k8s_home: Home) -> Iterator[kubernetes.Kubernetes]:
    """The overlay `local`, applied and ready; tests leave it as they found it. Its namespace goes at the end."""
    with pytest.MonkeyPatch.context() as patch:  # what ends it reads the process's own environment
        for name in ("KUBECONFIG", "LAB_CONTEXT", "LAB_NAMESPACE", "PATH"):
            patch.setenv(name, cluster.get(name, ""))
        kubernetes.start(k8s_home, cluster, print)
        yield kubernetes.open_engine(k8s_home, cluster, print)
        kubernetes.stop(k8s_home, print)
