"""lab check deployment and lab check table: what they print, keep, and how they end."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from labkit.check.commands import register
from labkit.check.deployment.checks import CHECKS
from labkit.check.finding import passed
from labkit.check.results import keep
from labkit.errors import CannotRun
from labkit.home import Home
from tests.fake_deployment import KEY, FakeDeployment, fake_deployment
from tests.service import ROOT

NAMES = [check.name for check in CHECKS]
Start = Callable[..., FakeDeployment]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a deployment, which `--engine process` then finds; the state folder is the test's own."""
    for name in ("LAB_PROMETHEUS_URL", "LAB_LOGS_URL", "LAB_SERVICE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LAB_API_KEY", KEY)
    with ExitStack() as running:

        def begin(*wrongs: str) -> FakeDeployment:
            (tmp_path / "logs").mkdir()
            fake = running.enter_context(fake_deployment(tmp_path / "logs", *wrongs))
            monkeypatch.setattr("labkit.engines.engine.engine_of", lambda *_: fake)
            return fake

        yield begin


def lab(*words: str) -> Result:
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, ["check", *words])


def only(*names: str) -> list[str]:
    return [word for name in names for word in ("--only", name)]


def test_all_passed_is_exit_code_0_a_line_each_and_the_sum(start):
    start()
    done = lab("deployment", "--engine", "process", *only("routes", "log"))
    first, second, last = done.stdout.splitlines()
    assert first.startswith("passed   routes    21 of 21 routes answer as documented")
    assert second.startswith("passed   log       found after")
    assert last == "2 passed: PASSED"
    assert done.exit_code == 0
    assert "\x1b" not in done.output


def test_a_failure_is_exit_code_1_and_the_next_step(start):
    start("plain-problems")
    done = lab("deployment", "--engine", "process", *only("refusals", "log"))
    assert done.exit_code == 1
    assert "FAILED   refusals  0 of 12 wrong requests" in done.stdout
    assert "           next: ask a replica directly" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 passed, 1 failed: FAILED"


def test_for_a_machine_there_is_one_document_on_stdout(start):
    fake = start("plain-problems")
    done = lab("deployment", "--engine", "process", "--json", *only("refusals", "log"), "--release", "3")
    facts: dict[str, Any] = json.loads(done.stdout)
    assert (facts["engine"], facts["service"], facts["passed"]) == ("process", fake.address, False)
    assert [(one["name"], one["verdict"]) for one in facts["findings"]] == [("refusals", "failed"), ("log", "passed")]
    assert facts["findings"][0]["figures"]["asked"] == 12
    assert facts["findings"][1]["figures"]["host"] in {"api-1", "api-2"}
    assert "FAILED   refusals" in done.stderr


def test_an_address_needs_no_engine_and_takes_what_the_variables_say(start, monkeypatch, tmp_path):
    fake = start()
    monkeypatch.setenv("LAB_PROMETHEUS_URL", fake.address)
    done = lab("deployment", "--url", fake.address, *only("counting", "log", "kill"))
    assert [line.split()[:2] for line in done.stdout.splitlines()[:3]] == [
        ["passed", "counting"], ["skipped", "log"], ["skipped", "kill"],
    ]  # fmt: skip
    assert done.exit_code == 0
    assert not (tmp_path / "home" / "checks").exists()  # the table is of engines


def test_nothing_tried_is_not_good(start):
    fake = start()
    assert lab("deployment", "--url", fake.address, *only("kill")).exit_code == 1


def test_what_cannot_run_says_so_once(start):
    start()
    for words, told in (
        (("--url", "http://127.0.0.1:9"), "no answer to GET /readyz at http://127.0.0.1:9"),
        (("--url", "http://127.0.0.1:9", "--engine", "process"), "not both"),
        (("--only", "tea"), "no check tea; there are: routes"),
        ((), "no stack is up here"),
    ):
        done = lab("deployment", *words)
        assert isinstance(done.exception, CannotRun)
        assert told in str(done.exception)
        assert not done.stdout


def test_what_was_found_is_kept_although_the_deployment_cannot_be_put_back(start, tmp_path):
    fake = start("update-breaks-down")
    fake.processes[0].release = fake.processes[1].release = fake.releases[0] = "0"
    done = lab("deployment", "--engine", "process", *only("update"))
    assert isinstance(done.exception, CannotRun)
    kept = json.loads((tmp_path / "home" / "checks" / "process.json").read_text())
    assert kept["update"]["verdict"] == "failed"


def test_the_table_has_a_cell_per_engine_and_check_and_holds_only_when_all_passed(start, tmp_path):
    start("plain-problems")
    empty = lab("table")
    assert empty.exit_code == 1
    assert "open on swarm: routes, refusals" in empty.stdout
    home = Home(ROOT, tmp_path / "home")
    keep(home, "process", [replace(passed("all is well"), name=name, seconds=2.0, at=1.8e9) for name in NAMES])
    whole = lab("table", "--engines", "process", "--json")
    assert (json.loads(whole.stdout)["gaps"], whole.exit_code) == ([], 0)
    shown = lab("table", "--engines", "process").stdout
    assert [name for name in NAMES if name not in shown] == []
    assert shown.count("all is well") == len(NAMES)
    two = lab("table", "--engines", "process,compose", "--json")
    assert json.loads(two.stdout)["gaps"] == [f"compose/{name}: not checked yet" for name in NAMES]
    assert two.exit_code == 1
    lab("deployment", "--engine", "process", *only("refusals"))
    later = lab("table", "--engines", "process", "--json")
    assert json.loads(later.stdout)["gaps"] == ["process/refusals: failed"]  # the other cells stay
    assert later.exit_code == 1


def test_a_skipped_cell_is_a_gap(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_HOME", str(tmp_path))
    cell = {"name": "routes", "verdict": "skipped", "seen": "x"}
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "k8s.json").write_text(json.dumps({name: {**cell, "name": name} for name in NAMES}))
    done = lab("table", "--engines", "k8s", "--json")
    assert done.exit_code == 1
    assert len(json.loads(done.stdout)["gaps"]) == len(NAMES)


@pytest.mark.parametrize("content", ["{", "[]", '{"routes": {"colour": "red"}}'])
def test_a_broken_file_of_results_is_named(tmp_path, monkeypatch, content):
    monkeypatch.setenv("LAB_HOME", str(tmp_path))
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "swarm.json").write_text(content)
    done = lab("table")
    assert isinstance(done.exception, CannotRun)
    assert "swarm.json cannot be read" in str(done.exception)


def test_an_unknown_engine_of_the_table_is_told_the_known_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_HOME", str(tmp_path))
    assert "there are: process, compose, swarm, k8s" in str(lab("table", "--engines", "nomad").exception)
