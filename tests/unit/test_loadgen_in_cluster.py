"""A run in a cluster, led from here: kubectl is a fake that has a folder for the pod's files and real shell scripts."""

import json
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from labkit.engines.kubectl import Kubectl
from labkit.errors import CannotRun
from labkit.home import Home
from labkit.loadgen import in_cluster
from labkit.loadgen.in_cluster import InCluster, kustomization
from labkit.loadgen.scenario import Constant, Scenario
from tests.k8s_manifests import ROOT, copied_project, kustomized, of_kind, pod_templates
from tests.k8s_policy import POD_RULES

SCENARIO = Scenario(name="x", description="", duration=2.0, users=5, shape=Constant(5.0), processes=3)


class FakeKubectl(Kubectl):
    """A cluster in which locust's pod runs for `looks` looks at it; `calls` are the verbs it was asked."""

    def __init__(self, pod_files: Path, looks: int = 2) -> None:
        super().__init__("lab", "", {})
        self.files = pod_files
        self.looks = looks
        self.calls: list[str] = []
        self.staged: dict[str, Any] = {}
        self.jobs = ""
        self.interrupt = False

    def run(self, *arguments: str, given: str | None = None, within: float = 60.0) -> str:
        verb = arguments[0]
        self.calls.append(verb)
        match verb:
            case "get":
                return self.jobs
            case "apply":
                folder = Path(arguments[-1])
                self.staged = {path.name: path.read_text() for path in folder.iterdir()}
            case "exec" if "kill -TERM 1" in arguments:
                self.looks = 0
            case "exec":
                script = arguments[arguments.index("-c") + 1 :]
                told = [one.replace(in_cluster.RUN_DIR, str(self.files)) for one in script]
                done = subprocess.run(["sh", "-c", *told], capture_output=True, text=True, check=False)
                if done.returncode:
                    raise CannotRun(done.stderr)
                return done.stdout
            case "logs":
                return "locust said this\n"
        return ""

    def items(self, *arguments: str) -> list[dict[str, Any]]:
        return [self.read("pod", "locust-x")]

    def read(self, *arguments: str, within: float = 60.0) -> dict[str, Any]:
        if self.interrupt and self.looks == 1:
            self.interrupt = False
            raise KeyboardInterrupt
        self.looks -= 1
        state = {"running": {}} if self.looks >= 0 else {"terminated": {"exitCode": 0}}
        return {"metadata": {"name": "locust-x"}, "status": {"containerStatuses": [{"name": "locust", "state": state}]}}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_cluster, "POLL", 0.0)


@pytest.fixture
def pod_files(tmp_path: Path) -> Path:
    folder = tmp_path / "pod"
    folder.mkdir()
    (folder / "generator.json").write_text("{}")
    (folder / "timeline.jsonl").write_text("")
    return folder


def run_in(tmp_path: Path, kubectl: FakeKubectl) -> tuple[BaseException | None, Path]:
    folder = tmp_path / "run"
    folder.mkdir()
    key = tmp_path / "api-key"
    key.write_text("a-key")
    place = InCluster(Home(ROOT, tmp_path / "lab"), kubectl, str(key))
    return place.run(place.command(SCENARIO, folder, None), folder, SCENARIO, lambda _: None), folder


def test_a_run_is_applied_fetched_and_removed(tmp_path: Path, pod_files: Path) -> None:
    kubectl = FakeKubectl(pod_files)
    ending, folder = run_in(tmp_path, kubectl)
    assert ending is None
    assert (folder / "generator.json").read_text() == "{}"
    assert (folder / "locust.log").read_text() == "locust said this\n"
    assert kubectl.calls[-1] == "delete"
    assert kubectl.staged["api-key"] == "a-key"
    assert msgspec.json.decode(kubectl.staged["scenario.json"])["processes"] == 3
    assert not list((tmp_path / "lab").iterdir()), "what was staged, and the key with it, is gone"


def test_a_run_that_measured_nothing_tells_locusts_last_words_and_leaves_nothing(
    tmp_path: Path, pod_files: Path
) -> None:
    (pod_files / "generator.json").unlink()
    kubectl = FakeKubectl(pod_files)
    with pytest.raises(CannotRun, match="locust said this"):
        run_in(tmp_path, kubectl)
    assert kubectl.calls[-1] == "delete"
    assert not (tmp_path / "run").exists()


def test_another_load_in_the_cluster_is_left_alone(tmp_path: Path, pod_files: Path) -> None:
    kubectl = FakeKubectl(pod_files)
    kubectl.jobs = "job.batch/locust\n"
    with pytest.raises(CannotRun, match="another load runs"):
        run_in(tmp_path, kubectl)
    assert kubectl.calls == ["get"]


def test_an_interruption_ends_locust_and_still_brings_its_files(tmp_path: Path, pod_files: Path) -> None:
    kubectl = FakeKubectl(pod_files, looks=4)
    kubectl.interrupt = True
    ending, folder = run_in(tmp_path, kubectl)
    assert isinstance(ending, KeyboardInterrupt)
    assert (folder / "generator.json").exists()
    assert kubectl.calls[-1] == "delete"


def test_a_growing_file_is_copied_once_and_its_successor_not_at_all(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    seen = in_cluster._Growing(copy)
    for answer in ("7\none\n", "7\n", "7\ntwo\n", "8\nother\n"):
        seen.take(answer)
    assert copy.read_text() == "one\ntwo\n"
    assert seen.size == 8


def test_the_overlay_of_a_run_sets_what_it_asks_for_and_keeps_the_rules(tmp_path: Path) -> None:
    project = copied_project(tmp_path)
    staged = project / "staged"
    staged.mkdir()
    for name in ("scenario.json", "api-key"):
        (staged / name).write_text("{}")
    made = kustomization("../k8s/overlays/loadtest", ["--users=5"], 3, 77, ["api-key"])
    (staged / "kustomization.yaml").write_text(json.dumps({**made, "namespace": "other"}))
    manifests = kustomized(staged)
    jobs = {one["metadata"]["name"]: one["spec"] for one in of_kind(manifests, "Job")}
    assert {name: job["activeDeadlineSeconds"] for name, job in jobs.items()} == {"locust": 77, "locust-worker": 77}
    assert jobs["locust-worker"]["parallelism"] == 3
    assert jobs["locust"]["template"]["spec"]["containers"][0]["args"] == ["--users=5"]
    assert {one["metadata"]["namespace"] for one in manifests} == {"other"}
    secret = next(of_kind(manifests, "Secret"))["metadata"]["name"]
    for pod in pod_templates(manifests):
        mounted = [volume["secret"]["secretName"] for volume in pod.spec["volumes"] if "secret" in volume]
        assert mounted == [secret]
    assert [said for rule in POD_RULES for said in rule(manifests)] == []


def test_the_overlay_by_itself_names_what_the_command_names() -> None:
    """By hand or by `lab load`: the same service, folders and ports."""
    text = (ROOT / "k8s" / "overlays" / "loadtest" / "locust.yaml").read_text(encoding="utf-8")
    master = next(
        one for one in yaml.safe_load_all(text) if one["metadata"]["name"] == "locust" and one["kind"] == "Job"
    )
    args = master["spec"]["template"]["spec"]["containers"][0]["args"]
    place = InCluster(Home(ROOT, ROOT), FakeKubectl(ROOT), None)
    command = place.command(SCENARIO, ROOT, None)
    for flag in ("--locustfile=", "--host=", "--run-dir=", "--metrics-port=", "--metrics-host="):
        assert [one for one in args if one.startswith(flag)] == [one for one in command if one.startswith(flag)]
