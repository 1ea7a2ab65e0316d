"""`lab notebook`: what is listed, refused, and how JupyterLab is started."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from labkit.cli import app
from labkit.errors import CannotRun
from labkit.home import Home
from labkit.notebooks import environment, shelf
from labkit.notebooks.commands import lab_command

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(ROOT, tmp_path / ".lab")


def run(*arguments: str):
    return CliRunner().invoke(app, ["notebook", *arguments])


def test_the_list_has_every_notebook_with_its_question():
    found = json.loads(run("--list", "--json").stdout)
    assert {one["name"] for one in found} == {file.stem for file in (ROOT / "notebooks").glob("*.ipynb")}
    assert all(one["question"].endswith("?") for one in found)
    assert all(one["name"] in run("--list").stdout for one in found)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["tulips", "--execute"], "there is no notebook 'tulips'; there are: kafka-as-a-client"),
        (["--execute"], "next: lab notebook --list"),
        (["logs", "--json"], "--json goes with --list or --execute"),
        (["tulips"], "there is no notebook 'tulips'"),
    ],
)
def test_what_cannot_be_run_is_told(arguments, told):
    error = run(*arguments).exception
    assert isinstance(error, CannotRun)
    assert told in str(error)


def test_jupyterlab_listens_on_loopback_with_its_token():
    command = lab_command(Path("/somewhere/logs.ipynb"), no_browser=True, port=18888)
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert "--ServerApp.ip=127.0.0.1" in command
    assert not any("token" in word or "password" in word or "0.0.0.0" in word for word in command)
    assert {"--no-browser", "--ServerApp.port=18888"} <= set(command)
    assert "--LabApp.default_url=/lab/tree/logs.ipynb" in command


def test_a_student_works_on_a_copy_that_stays(tmp_path, home):
    place = {"LAB_WORK": str(tmp_path / "work")}
    copy = shelf.own_copy(shelf.notebook(home, "logs"), home, place)
    assert copy == tmp_path / "work" / "notebooks" / "logs.ipynb"
    copy.write_text("mine")
    assert shelf.own_copy(shelf.notebook(home, "logs"), home, place).read_text() == "mine"


def test_jupyters_own_files_stay_in_the_state_folder(tmp_path, home):
    found = environment.jupyter_environment(home, {"PATH": "/bin"})
    own = [found[name] for name in ("IPYTHONDIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")]
    assert all(Path(place).is_relative_to(tmp_path) for place in own)
    assert found["PATH"] == "/bin"


def test_what_is_missing_in_another_environment_is_told_not_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "NEEDED", ("jupyterlab", "no_such_package"))
    with pytest.raises(CannotRun, match=r"no_such_package missing in .*; next: make setup"):
        environment.install(Home(tmp_path, tmp_path / ".lab"), print)


def test_what_is_missing_is_installed_by_the_projects_own_script(tmp_path, monkeypatch):
    root = tmp_path / "project"
    (root / "requirements").mkdir(parents=True)
    (root / "requirements" / "install.sh").write_text(f'echo "$2" > {root}/asked; touch {root}/no_such_package.py\n')
    monkeypatch.syspath_prepend(str(root))
    monkeypatch.setattr(environment, "NEEDED", ("no_such_package",))
    monkeypatch.setattr(sys, "executable", str(root / ".venv" / "bin" / "python"))
    said: list[str] = []
    environment.install(Home(root, root / ".lab"), said.append)
    assert (root / "asked").read_text() == "notebooks\n"
    assert said == ["notebooks need no_such_package: installing once"]


def test_a_cell_that_fails_is_exit_code_1_and_told(tmp_path):
    root = project_with(tmp_path, "print('from: here')", "print('3 of 4')  # answer", "1 / 0")
    done = execute(root, "own")
    assert done.returncode == 1
    assert "a cell of own failed: ZeroDivisionError: division by zero" in done.stderr
    assert done.stdout.split("\n\n") == ["from: here", "3 of 4\n"]
    assert (root / ".lab" / "notebooks" / "own.ipynb").is_file()


def project_with(tmp_path: Path, *cells: str) -> Path:
    """Make a project folder with one notebook."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    root = tmp_path / "project"
    (root / "notebooks").mkdir(parents=True)
    made = [new_code_cell(text, metadata={"tags": ["answer"]} if "# answer" in text else {}) for text in cells]
    nbformat.write(new_notebook(cells=made), root / "notebooks" / "own.ipynb")
    return root


def execute(root: Path, name: str) -> "subprocess.CompletedProcess[str]":
    code = (
        "import sys; from pathlib import Path; from labkit.home import Home;"
        "from labkit.notebooks.commands import _execute;"
        f"root = Path({str(root)!r}); sys.exit(_execute(Home(root, root / '.lab'), {name!r}, False))"
    )
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
