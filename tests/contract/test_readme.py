"""What the documents promise is there: targets, commands, files, figures."""

import re
from pathlib import Path

import msgspec
import pytest
from typer.main import get_command

from labkit.cli import app
from labkit.course.manifest import read_course
from labkit.course.tables import with_table
from labkit.home import find_home

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def lab_commands() -> set[str]:
    return set(get_command(app).commands)  # type: ignore[attr-defined]


def test_readme_has_at_most_150_lines():
    assert len(README.splitlines()) <= 150


def test_the_table_of_labs_is_made_from_the_manifest():
    assert with_table(README, read_course(find_home())) == README, "next: make readme"


def test_every_command_of_lab_is_in_the_readme_and_no_other():
    named = {name.split()[0] for name in re.findall(r"\blab ([a-z][a-z-]*)", README)} - {"command"}
    assert named == lab_commands()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_that_a_document_names_exists(document):
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = re.findall(r"`make ([a-z0-9-]+)|^make ([a-z0-9-]+)", document.read_text(encoding="utf-8"), re.MULTILINE)
    assert {first or second for first, second in named} <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_somewhere(document):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_that_a_document_names_exists(document):
    named = re.findall(
        r"`((?:app|labkit|loadtests|tests|docs|requirements|traefik|monitoring|bench)/[\w./-]*)`",
        document.read_text(encoding="utf-8"),
    )
    assert [name for name in named if not (ROOT / name).exists() and not name.startswith("bench/results")] == []


def test_the_held_out_figures_are_those_of_the_cards():
    shown = dict(re.findall(r"^\| `(\w+)` \|.*\| (?:accuracy|R²) ([0-9.]+)", README, re.MULTILINE))
    measured = {}
    for card in sorted((ROOT / "app" / "models").glob("*/v1/card.json")):
        held_out = msgspec.json.decode(card.read_bytes())["held_out"]
        measured[card.parts[-3]] = f"{held_out.get('accuracy', held_out.get('r2')):.2f}"
    assert shown == measured
