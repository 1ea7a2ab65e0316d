"""lab runs, lab report, lab compare: what they print and how they end."""

import json
import os
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from labkit.errors import CannotRun
from labkit.report.commands import register
from labkit.report.history import find_run
from tests.samples.runs import OBJECTIVES, Knobs, write_run

NEVER_KEPT = [dict(OBJECTIVES[0]) | {"limit": 0.001}]
KEPT = [dict(OBJECTIVES[0]) | {"limit": 10_000.0}]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with three finished runs, each started at the same moment; the id decides which is newest."""
    monkeypatch.setenv("LAB_HOME", str(tmp_path))
    folder = tmp_path / "runs"
    for name, objectives, saturated in (
        ("20260921-100000-smoke", KEPT, False),
        ("20260921-110000-step", NEVER_KEPT, False),
        ("20260922-090000-step", KEPT, True),
    ):
        write_run(folder, Knobs(id=name, seconds=12, stall_at=None, objectives=objectives, saturated=saturated))
    return folder


def lab(*words: str) -> Result:
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, words, env={"NO_COLOR": "1", "COLUMNS": "160"})


def test_report_ends_with_0_only_for_a_good_run(runs: Path) -> None:
    assert lab("report", "20260921-10").exit_code == 0
    assert lab("report", "20260921-11").exit_code == 1
    assert lab("report", "last").exit_code == 1
    assert "INVALID" in lab("report").output


def test_report_prints_the_truth_line_and_the_page(runs: Path) -> None:
    output = lab("report", "20260921-10").output
    sent = json.loads((runs / "20260921-100000-smoke" / "summary.json").read_text(encoding="utf-8"))["totals"]["sent"]
    shown = f"{sent:,}".replace(",", "\u202f")
    assert f"sent {shown} = counted {shown} (difference 0)" in output
    assert str(runs / "20260921-100000-smoke" / "report.html") in output
    assert (runs / "20260921-100000-smoke" / "report.html").is_file()


def test_report_as_json_is_the_summary(runs: Path) -> None:
    result = lab("report", "20260921-11", "--json")
    assert json.loads(result.output)["verdict"] == "breached"
    assert result.exit_code == 1


def test_runs_lists_the_newest_first(runs: Path) -> None:
    lab("report", "20260921-10")
    found = json.loads(lab("runs", "--json").output)
    assert [(one["id"], one["verdict"]) for one in found] == [
        ("20260922-090000-step", None),
        ("20260921-110000-step", None),
        ("20260921-100000-smoke", "good"),
    ]
    lines = lab("runs").output.splitlines()
    assert lines[1].startswith("20260922-090000-step")
    assert "not judged yet" in lines[1]


def test_compare_prints_both_runs_and_writes_its_page(runs: Path) -> None:
    result = lab("compare", "20260921-10", "20260921-11")
    assert result.exit_code == 0
    assert "no difference shown" in result.output
    assert (runs / "20260921-110000-step" / "compare-20260921-100000-smoke.html").is_file()
    assert json.loads(lab("compare", "20260921-10", "20260921-11", "--json").output)["paired"] is True


@pytest.mark.parametrize("name", [None, "last", "20260922", "20260922-090000-step"])
def test_a_run_is_found_by_id_beginning_or_last(runs: Path, name: str | None) -> None:
    assert find_run(name, runs).name == "20260922-090000-step"


def test_a_run_is_found_by_its_folder(runs: Path) -> None:
    path = runs / "20260921-110000-step"
    assert find_run(os.path.relpath(path), runs) == path


def test_an_unknown_run_is_named_with_the_newest_three(runs: Path) -> None:
    newest = "20260922-090000-step, 20260921-110000-step, 20260921-100000-smoke"
    with pytest.raises(CannotRun, match=f"no run 'nope'; the newest are: {newest}"):
        find_run("nope", runs)


def test_a_beginning_of_several_runs_is_refused(runs: Path) -> None:
    with pytest.raises(CannotRun, match="'20260921' begins 2 runs"):
        find_run("20260921", runs)


def test_no_run_at_all_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="lab load"):
        find_run(None, tmp_path)
