"""A run that is stopped keeps what it measured and leaves no process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.eventually import eventually
from tests.integration.load_runs import (
    ROOT,
    plain_environment,
    read_json,
    sent_by_status,
    served_by_status,
    service,
    timeline,
)


def generators(process: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def all_gone(processes: list[psutil.Process]) -> bool:
    return not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes)


def start_load(lab_home: Path, url: str, processes: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", "from labkit.cli import main; main()", "load", "demo", "--url", url]
    environment = plain_environment(LAB_HOME=str(lab_home), LAB_METRICS_URLS=f"{url}/metrics")
    return subprocess.Popen(
        [*command, "--processes", str(processes)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def run_under(lab_home: Path) -> Path:
    (run,) = (lab_home / "runs").iterdir()
    return run


@pytest.mark.parametrize("processes", [1, 2])
def test_ctrl_c_keeps_the_files_marks_the_run_and_leaves_no_process(tmp_path: Path, processes: int) -> None:
    lab_home = tmp_path / "lab"
    with service(tmp_path / "service") as urls:
        load = start_load(lab_home, urls.service, processes)
        try:
            eventually(lambda: len(timeline(run_under(lab_home))) >= 2, within=40, what="two seconds of the timeline")
            children = generators(load)
            assert len(children) == (1 if processes == 1 else 3)
            load.send_signal(signal.SIGINT)
            _, told = load.communicate(timeout=40)
        finally:
            load.kill()
            load.wait()
    run = run_under(lab_home)
    assert load.returncode == 130
    assert all_gone(children)
    assert f"next: lab report {run.name}" in told.decode()
    assert read_json(run / "run.json")["interrupted"] is True
    sent = sent_by_status(run)
    assert sum(sent.values()) > 100
    assert sent == served_by_status(run)
    facts = read_json(run / "generator.json")
    assert facts["intended"] == facts["sent"] == sum(sent.values()) < 13_500
    assert sum(second["done"] for second in timeline(run)) == sum(sent.values())


def test_generators_end_with_a_killed_parent(tmp_path: Path) -> None:
    lab_home = tmp_path / "lab"
    with service(tmp_path / "service") as urls:
        load = start_load(lab_home, urls.service, 2)
        try:
            eventually(lambda: len(timeline(run_under(lab_home))) >= 1, within=40, what="a second of the timeline")
            children = generators(load)
            os.kill(load.pid, signal.SIGKILL)
            eventually(lambda: all_gone(children), within=15, what="the end of the generator processes")
        finally:
            load.kill()
            load.communicate()
    assert read_json(run_under(lab_home) / "generator.json")["interrupted"] is True
