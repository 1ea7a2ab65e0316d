"""Runbooks: one for each alert, all of one form, with commands that exist."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from labkit.alerts.switch import SILENT
from labkit.cli import app

ROOT = Path(__file__).parents[2]
RUNBOOKS = {path.stem: path for path in sorted((ROOT / "monitoring" / "runbooks").glob("*.md"))}
SECTIONS = ["Meaning", "Impact", "First look", "Likely causes", "Mitigation"]
RULES = sorted((ROOT / "monitoring" / "prometheus" / "rules").glob("*.yml"))
DASHBOARDS = {path.stem for path in (ROOT / "grafana" / "dashboards").glob("*.json")}
# Words in capitals stand for what the reader fills in.
FILLED = {"NAME": "api-1", "MODEL": "sentiment", "REQUEST_ID": "4f0c5e"}


def alerts() -> set[str]:
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]]
    return {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}


def commands(text: str) -> Iterator[str]:
    """Yield the `lab` commands of a text: lines of its blocks, and what stands in backquotes."""
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        yield from block.strip().splitlines()
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    yield from (one for one in re.findall(r"`([^`\n]*)`", prose) if one.startswith("lab "))


def problem(line: str) -> str:
    """Parse a command as `lab` itself does, without running it; "" when it would run."""
    name, *words = [FILLED.get(word, word) for word in shlex.split(line)]
    command: Any = get_command(app)
    if name != "lab":
        return f"{line}: no command of lab"
    while subcommands := getattr(command, "commands", {}):
        if not words or words[0] not in subcommands:
            return f"{line}: lab has no such command"
        command = subcommands[words.pop(0)]
    try:
        command.make_context(command.name, list(words))
    except Exception as error:  # typer's errors of usage, in a module of its own
        return f"{line}: {error}"
    return ""


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    assert set(RUNBOOKS) == alerts() | {SILENT}


@pytest.mark.parametrize("name", RUNBOOKS)
def test_each_runbook_has_the_five_sections_in_order(name: str) -> None:
    text = RUNBOOKS[name].read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    parts = re.split(r"^## .*$", text, flags=re.MULTILINE)[1:]
    assert all(len(part.split()) >= 3 for part in parts)
    assert "`" in parts[SECTIONS.index("Likely causes")], "a cause comes with what shows it"


@pytest.mark.parametrize("name", RUNBOOKS)
def test_each_command_in_a_runbook_exists(name: str) -> None:
    text = RUNBOOKS[name].read_text(encoding="utf-8")
    found = list(commands(text))
    assert found
    assert [wrong for one in found if (wrong := problem(one))] == []
    assert set(re.findall(r"dashboard `([\w-]+)`", text)) <= DASHBOARDS
    assert set(re.findall(r"alert ([A-Z]\w+)", text)) <= alerts()


def test_a_command_that_does_not_exist_would_be_found() -> None:
    """The control: an unknown command, subcommand, option; a missing argument."""
    for wrong in ("lab frobnicate", "lab kafka frobnicate", "lab status --frobnicate", "lab kill", "docker ps"):
        assert problem(wrong), wrong
    assert problem("lab kill NAME") == ""
