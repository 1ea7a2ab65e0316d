"""The `lab` command as a whole: every command explains itself, and the small parts stay small."""

import subprocess
import sys

import pytest
import typer

from labkit.cli import app
from labkit.errors import CannotRun

HEAVY = ("locust", "gevent", "plotly", "numpy", "httpx", "rich.table", "kafka")
COMMANDS = typer.main.get_group(app).commands


def test_the_documented_commands_are_there() -> None:
    expected = {"demo", "up", "down", "status", "logs", "doctor", "urls", "load", "runs", "report", "compare"}
    assert expected <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example_of_itself_in_the_list(name: str) -> None:
    first_paragraph = (COMMANDS[name].help or "").split("\n\n")[0]
    assert f"Example: lab {name}" in first_paragraph


@pytest.mark.parametrize("name", COMMANDS["kafka"].commands)
def test_every_kafka_command_shows_an_example_of_itself(name: str) -> None:
    first_paragraph = (COMMANDS["kafka"].commands[name].help or "").split("\n\n")[0]
    assert f"Example: lab kafka {name}" in first_paragraph


def test_the_list_of_commands_loads_nothing_heavy() -> None:
    code = f"import sys, labkit.cli; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_supervisor_loads_no_command_line_library() -> None:
    code = "import sys, labkit.stack.supervisor; print('typer' in sys.modules, 'rich' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False", "False"]


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (CannotRun("thing: seen; next: step"), 2, "lab: thing: seen; next: step\n"),
        (KeyboardInterrupt(), 130, "lab: interrupted\n"),
    ],
)
def test_every_end_is_a_code_and_one_line(
    raised: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from labkit import cli

    failing = typer.Typer(pretty_exceptions_enable=False)

    @failing.command()
    def fail() -> None:
        raise raised

    monkeypatch.setattr(cli, "app", failing)
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["lab"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == code
    assert capsys.readouterr().err == said
