"""The truth line on a real stack: two replicas, then one of them killed in the middle of a run."""

import json
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labkit.home import Home
from labkit.loadgen.run_logs import RunLogs
from labkit.report import build
from labkit.urls import Urls, discover
from tests.eventually import eventually
from tests.integration.stack_folder import LAB, ROOT, StackFolder

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackFolder]:
    found = StackFolder(tmp_path_factory.mktemp("stack"))
    try:
        up = found.lab("up")
        assert up.returncode == 0, up.stderr
        yield found
    finally:
        found.lab("down")


@pytest.fixture(scope="module")
def quiet_run(stack: StackFolder) -> dict[str, Any]:
    """A run during which nothing happens."""
    return ended(start_load(stack))


def start_load(stack: StackFolder) -> "subprocess.Popen[str]":
    command = [LAB, "load", "smoke", "--rate", "40", "--duration", "10s", "--json"]
    return subprocess.Popen(
        command, env=stack.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
    )


def ended(load: "subprocess.Popen[str]") -> dict[str, Any]:
    """Return the summary of a load; whether this machine was fast enough is not the question here."""
    try:
        out, err = load.communicate(timeout=150)
    finally:
        if load.poll() is None:
            load.send_signal(signal.SIGTERM)
            load.communicate(timeout=30)
    assert load.returncode in (0, 1), err
    summary: dict[str, Any] = json.loads(out)
    return summary


def urls_of(stack: StackFolder) -> Urls:
    return discover({}, stack.home)


def logs_again(stack: StackFolder, run: Path, copy: Path) -> dict[str, Any]:
    """Ask the store anew about a run, in a copy of its folder; return the truth line of that."""
    shutil.copytree(run, copy)
    kept = json.loads((copy / "logs.json").read_text(encoding="utf-8"))
    entries = json.loads((copy / "requests.json").read_text(encoding="utf-8"))["entries"]
    sent = [(one["method"], one["name"], one["sent"]) for one in entries if one["method"] != "JOB"]
    facts = json.loads((copy / "run.json").read_text(encoding="utf-8"))
    again = RunLogs(urls_of(stack), Home(ROOT, stack.home.lab)).note_after(
        kept["begins"], facts["started"], facts["ended"], sent
    )
    (copy / "logs.json").write_text(json.dumps({**again, "before": kept["before"]}), encoding="utf-8")
    return dict(build(copy).to_dict()["reconciliation"])


def test_sent_is_counted_is_logged_with_two_replicas(quiet_run: dict[str, Any]) -> None:
    line, jobs = quiet_run["reconciliation"], quiet_run["jobs"]
    assert line["exact"], line
    assert line["sent"] == line["counted"] == line["logs"]["logged"] == line["logs"]["edge"]
    assert line["sent"] > 300
    assert all(row["sent"] == row["counted"] == row["logged"] for row in line["rows"])
    assert {row["status"] for row in line["rows"]} >= {"200", "201", "202", "400", "422"}
    assert jobs["accepted"] == jobs["consumed"] == jobs["logged"] == jobs["answered"] > 5, jobs
    drops = line["logs"]["drops"]
    assert (drops["full"], drops["refused"], drops["wire"], drops["dropped"], drops["rejected"]) == (0, 0, 0, 0, 0)
    assert drops["written"] >= line["sent"] + jobs["logged"]


def test_a_record_taken_out_of_the_store_is_missed(
    stack: StackFolder, quiet_run: dict[str, Any], tmp_path: Path
) -> None:
    """The control of the line above: the same run, asked again, without and with the loss."""
    run = Path(quiet_run["folder"])
    assert logs_again(stack, run, tmp_path / "whole")["exact"]
    segment = max((stack.home.data / "logs").glob("*.db"))
    begins = json.loads((run / "logs.json").read_text(encoding="utf-8"))["begins"]
    connection = sqlite3.connect(segment, timeout=10)
    with connection:
        (victim,) = connection.execute(
            "SELECT min(id) FROM records WHERE event = 'request' AND route = '/predict' AND status = 200 "
            "AND request_id LIKE ?", [f"{begins}%"]
        ).fetchone()  # fmt: skip
        assert victim
        connection.execute("DELETE FROM records WHERE id = ?", [victim])
    connection.close()
    line = logs_again(stack, run, tmp_path / "less")
    assert not line["exact"]
    assert (line["unmatched"], line["logs"]["missing"]) == (0, 1)
    assert any("1 × POST /predict 200" in text for text in line["explanations"])


def test_a_replica_killed_in_the_middle_leaves_nothing_unexplained(
    stack: StackFolder, quiet_run: dict[str, Any]
) -> None:
    load = start_load(stack)
    try:
        eventually(lambda: under_way(stack, quiet_run["id"]), within=150, every=0.2, what="the second run goes on")
        killed = stack.lab("kill", "api-1")
        assert killed.returncode == 0, killed.stderr
    finally:
        summary = ended(load)
    line = summary["reconciliation"]
    assert line["unmatched"] > 20, "the replica took what it had counted with it"
    assert not line["exact"]
    assert line["unexplained"] == 0, line["explanations"]
    text = "\n".join(line["explanations"])
    assert "are in the log, their counter ended with" in text
    answered = sum(row["sent"] for row in line["rows"] if row["status"] != "0")
    lost = line["logs"]["missing"]
    assert line["logs"]["logged"] >= answered - 60
    assert lost == 0 or "a replica ended during the run" in text
    jobs = summary["jobs"]
    assert jobs["accepted"] == jobs["answered"] > 5
    assert jobs["lost"] == 0


def under_way(stack: StackFolder, before: str) -> bool:
    """Return whether a run other than `before` has sent for three seconds and is not over."""
    for folder in stack.home.runs.iterdir():
        timeline = folder / "timeline.jsonl"
        if folder.name != before and timeline.exists() and not (folder / "generator.json").exists():
            return len(timeline.read_text(encoding="utf-8").splitlines()) >= 3
    return False
