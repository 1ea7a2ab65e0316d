"""`lab load --engine k8s` on a real cluster: pods send the load, the run comes back whole, nothing stays behind."""

import json
from pathlib import Path

import pytest

from labkit.engines.kubectl import Kubectl
from labkit.engines.kubernetes import Kubernetes
from labkit.home import Home
from labkit.loadgen import drive
from labkit.loadgen.in_cluster import InCluster
from labkit.report import build
from tests.k8s_manifests import ROOT

SCENARIO = """
description = "a few predictions from two pods"
duration = 10
users = 10
processes = 2
[shape]
kind = "constant"
rate = 10
[mix]
"PredictUser" = 1
"""


@pytest.mark.k8s
@pytest.mark.timeout(420)
def test_pods_send_exactly_what_the_service_counts(
    deployment: Kubernetes, kubectl: Kubectl, k8s_home: Home, tmp_path: Path
) -> None:
    scenario = tmp_path / "few.toml"
    scenario.write_text(SCENARIO)
    home = Home(ROOT, k8s_home.lab)
    sent = []
    urls = deployment.urls()
    place = InCluster(home, kubectl, urls.api_key_file)
    run = drive(scenario, urls, home=home, place=place, on_progress=lambda progress: sent.append(progress.sent))

    facts = json.loads((run / "generator.json").read_text())
    assert facts["sent"] == facts["intended"] == 100
    assert facts["processes"] == 2
    assert sent == sorted(sent)
    assert set(sent) - {0, 100}, "the progress is told while the run goes"
    truth = build(run).reconciliation
    assert (truth.available, truth.sent, truth.counted, truth.unmatched) == (True, 100, 100, 0)
    left = kubectl.run("get", "jobs,services,secrets,configmaps,networkpolicies", "--output", "name").split()
    assert not [name for name in left if "locust" in name or "/load-" in name]
