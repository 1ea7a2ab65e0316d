"""Locust as pods of a Kubernetes cluster: a master that keeps the run's files, and workers that send the load.

A run is an overlay on k8s/overlays/loadtest, made for it and removed with all that it brought.
"""

import base64
import io
import json
import os
import shutil
import tarfile
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from labkit.engines.kubectl import Kubectl
from labkit.errors import CannotRun
from labkit.home import Home
from labkit.loadgen.counters import Scrape, parsed
from labkit.loadgen.keys import LOAD_KEYS
from labkit.loadgen.ledger import write_json
from labkit.loadgen.progress import OnProgress, TimelineReader
from labkit.loadgen.scenario import Scenario, to_dict

OVERLAY = Path("k8s", "overlays", "loadtest")
SERVICE = "http://traefik"
"""The edge, as pods of its namespace reach it."""
SERVICE_PODS = "app.kubernetes.io/name in (api, api-canary)"
METRICS_PORT = 9100
RUN_DIR, SCENARIO, LOADTESTS = "/run/lab", "/run/scenario/scenario.json", "/srv/loadtests"
"""What locust writes, what it is asked for, and its users, as the overlay lays them out in the pods."""
MASTER, WORKERS = "locust", "locust-worker"
POLL = 1.0
START_WITHIN = 120.0
STOP_WITHIN = 30.0
FETCH_WITHIN = 120.0
NEW_LINES = 'stat -c %i "$1" && tail -c "+$2" "$1"'
PACKED = 'tar -C "$1" -czf - . | base64'


class InCluster:
    """Locust in the namespace of a deployment; see labkit.loadgen.place."""

    def __init__(self, home: Home, kubectl: Kubectl, api_key_file: str | None) -> None:
        self._home = home
        self._kubectl = kubectl
        self._api_key_file = api_key_file

    def scrape(self) -> dict[str, Scrape]:
        """Read the counters of each pod of the service through the API server; pods' own addresses are their names."""
        found = {}
        for pod in self._kubectl.items("pods", "--selector", SERVICE_PODS):
            name, t = pod["metadata"]["name"], time.time()
            path = f"/api/v1/namespaces/{self._kubectl.namespace}/pods/{name}:{METRICS_PORT}/proxy/metrics"
            try:
                one = Scrape(t, parsed(self._kubectl.run("get", "--raw", path)))
            except (CannotRun, ValueError) as error:
                one = Scrape(t, error=str(error))
            found[f"http://{pod['status'].get('podIP', name)}:{METRICS_PORT}/metrics"] = one
        return found

    def command(
        self,
        scenario: Scenario,
        folder: Path,  # noqa: ARG002 - in the pods it has a name of its own
        rate: float | None,
    ) -> list[str]:
        """Return the command line of the master, which waits for its workers."""
        command = ["python", "-m", "labkit.loadgen.locust_process", f"--locustfile={LOADTESTS}", f"--host={SERVICE}"]
        command += ["--headless", "--only-summary", "--exit-code-on-error=0", "--loglevel=INFO"]
        command += [f"--schedule={SCENARIO}", f"--run-dir={RUN_DIR}"]
        command += [f"--users={scenario.users}", f"--spawn-rate={scenario.users}"]
        command += [f"--metrics-port={METRICS_PORT}", "--metrics-host=0.0.0.0"]
        command += ["--master", f"--expect-workers={scenario.processes}", f"--expect-workers-max-wait={START_WITHIN:g}"]
        command += [f"--rate={rate!r}"] if rate is not None else []
        command += [f"--run-time={max(1, round(scenario.duration))}s"] if scenario.mode == "closed" else []
        return command

    def run(self, command: list[str], folder: Path, scenario: Scenario, show: OnProgress) -> BaseException | None:
        """Run locust in the cluster and fetch its files; see Place."""
        try:
            ending = self._measured(command, folder, scenario, show)
            if (folder / "generator.json").exists():
                return ending
            lines = (folder / "locust.log").read_text(encoding="utf-8").split("\n")
            said = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
            raise ending or CannotRun(f"locust measured nothing in the cluster: {said}")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _measured(self, command: list[str], folder: Path, scenario: Scenario, show: OnProgress) -> BaseException | None:
        jobs = [f"job/{MASTER}", f"job/{WORKERS}"]
        if there := self._kubectl.run("get", *jobs, "--ignore-not-found", "--output", "name").split():
            told = f"kubectl -n {self._kubectl.namespace} delete {' '.join(jobs)}"
            raise CannotRun(f"another load runs in the cluster ({', '.join(there)}); next: wait for it, or {told}")
        self._home.lab.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="load-", dir=self._home.lab) as name:
            staged = Path(name).resolve()
            self._stage(staged, command, scenario)
            try:
                self._kubectl.run("apply", "--kustomize", str(staged))
                pod = self._started()
                ending = self._followed(pod, folder, scenario, show)
                self._fetch(pod, folder)
            finally:
                self._kubectl.run("delete", "--kustomize", str(staged), "--ignore-not-found", within=STOP_WITHIN * 2)
        return ending

    def _stage(self, staged: Path, command: list[str], scenario: Scenario) -> None:
        """Write the run's own overlay: the scenario, the keys of its clients, the master's flags, the workers."""
        write_json(staged / "scenario.json", to_dict(scenario))
        keys = []
        own = Path(self._api_key_file or "")
        for name, file in (("api-key", own), (LOAD_KEYS, own.with_name(LOAD_KEYS))) if self._api_key_file else ():
            if file.is_file():
                shutil.copy(file, staged / name)
                keys.append(name)
        seconds = round(START_WITHIN + scenario.duration + scenario.grace + STOP_WITHIN + FETCH_WITHIN)
        overlay = os.path.relpath((self._home.root / OVERLAY).resolve(), staged)
        made = kustomization(overlay, command[3:], scenario.processes, seconds, keys)
        write_json(staged / "kustomization.yaml", {**made, "namespace": self._kubectl.namespace})

    def _started(self) -> str:
        """Wait until the master runs, and return its pod. Raises CannotRun with what it waits for."""
        deadline = time.monotonic() + START_WITHIN
        why = "no pod was made"
        while time.monotonic() < deadline:
            for pod in self._kubectl.items("pods", "--selector", f"batch.kubernetes.io/job-name={MASTER}"):
                state, why = _state(pod), _why(pod)
                if "running" in state or "terminated" in state:
                    return str(pod["metadata"]["name"])
            time.sleep(POLL)
        told = f"kubectl -n {self._kubectl.namespace} describe job/{MASTER}"
        raise CannotRun(f"locust did not start in the cluster within {START_WITHIN:g} s: {why}; next: {told}")

    def _followed(self, pod: str, folder: Path, scenario: Scenario, show: OnProgress) -> BaseException | None:
        """Show progress until locust has ended; Ctrl-C ends it early."""
        timeline = folder / "timeline.jsonl"
        reader, seen = TimelineReader(timeline, scenario.duration), _Growing(timeline)
        ending: BaseException | None = None
        deadline = time.monotonic() + START_WITHIN + scenario.duration + scenario.grace + STOP_WITHIN
        while time.monotonic() < deadline:
            try:
                if "terminated" in _state(self._kubectl.read("pod", pod)):
                    break
                with suppress(CannotRun):  # there is no such file before the first second
                    path, beyond = f"{RUN_DIR}/timeline.jsonl", str(seen.size + 1)
                    seen.take(self._in_files(pod, NEW_LINES, path, beyond))
                show(reader.read())
                time.sleep(POLL)
            except (KeyboardInterrupt, SystemExit) as interruption:
                if ending is not None:
                    raise
                ending, deadline = interruption, time.monotonic() + STOP_WITHIN + scenario.grace
                self._kubectl.run("exec", pod, "--container", "locust", "--", "sh", "-c", "kill -TERM 1")
        return ending

    def _fetch(self, pod: str, folder: Path) -> None:
        """Copy what locust wrote, and what it said, into the run's folder."""
        packed = base64.b64decode(self._in_files(pod, PACKED, RUN_DIR))
        with tarfile.open(fileobj=io.BytesIO(packed)) as files:
            files.extractall(folder, filter="data")
        said = self._kubectl.run("logs", pod, "--container", "locust")
        (folder / "locust.log").write_text(said, encoding="utf-8")

    def _in_files(self, pod: str, script: str, *arguments: str) -> str:
        """Run a shell script beside the run's files, and return what it prints."""
        ask = ("exec", pod, "--container", "files", "--", "sh", "-c", script, "-", *arguments)
        return self._kubectl.run(*ask, within=FETCH_WITHIN)


class _Growing:
    """A copy of a text file that only grows; when another takes its place, the copy stays as it is."""

    def __init__(self, copy: Path) -> None:
        self.size = 0
        self._copy = copy
        self._inode = ""

    def take(self, answer: str) -> None:
        """Take in the number of the file, on a line of its own, and what is new in it."""
        inode, _, text = answer.partition("\n")
        self._inode = self._inode or inode
        if text and inode == self._inode:
            with self._copy.open("ab") as file:
                self.size += file.write(text.encode())


def kustomization(overlay: str, flags: list[str], workers: int, seconds: int, keys: list[str]) -> dict[str, Any]:
    """Return the overlay of one run on the overlay `loadtest`: its files, the master's flags, how many workers."""
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [overlay],
        "configMapGenerator": [{"name": "load-scenario", "files": ["scenario.json"]}],
        "secretGenerator": [{"name": "load-keys", "files": keys}] if keys else [],
        "patches": [
            _patch(MASTER, "/spec/template/spec/containers/0/args", flags),
            _patch(WORKERS, "/spec/parallelism", workers),
            _patch(".*", "/spec/activeDeadlineSeconds", seconds),
        ],
    }


def _patch(job: str, path: str, value: Any) -> dict[str, Any]:
    operation = {"op": "replace", "path": path, "value": value}
    return {"target": {"kind": "Job", "name": job}, "patch": json.dumps([operation])}


def _state(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the state of the container `locust`: one of waiting, running, terminated; empty before it has any."""
    for status in pod.get("status", {}).get("containerStatuses", []):
        if status["name"] == "locust":
            found: dict[str, Any] = status["state"]
            return found
    return {}


def _why(pod: dict[str, Any]) -> str:
    """Return what keeps a pod from running, as the cluster says it."""
    waiting = _state(pod).get("waiting", {})
    conditions = [one.get("message", "") for one in pod["status"].get("conditions", []) if one.get("status") == "False"]
    said = [f"{waiting.get('reason', '')} {waiting.get('message', '')}".strip(), *conditions]
    return next((one for one in said if one), f"the pod is {pod['status'].get('phase', 'unknown')}")
