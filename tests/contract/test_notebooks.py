"""What every notebook is: one question, short cells without definitions, an answer, a way on; nothing of a machine."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

from labkit.course.manifest import read_course
from labkit.home import find_home
from labkit.notebooks.executing import ANSWER
from labkit.notebooks.shelf import shown

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SAMPLES = ROOT / "notebooks" / "samples"
MACHINE = re.compile(r"/(?:home|root|tmp|Users|work)/\w|\b[A-Z]:\\")
MOST_BYTES = 200_000
MOST_LINES = 16
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
CHOICES = (ast.If, ast.While, ast.Try)

each = pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)


def book(file: Path) -> nbformat.NotebookNode:
    found: nbformat.NotebookNode = nbformat.read(file, as_version=4)  # type: ignore[no-untyped-call]
    return found


def code(file: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in book(file).cells if cell.cell_type == "code"]


def test_the_five_notebooks_are_there():
    assert {file.stem for file in NOTEBOOKS} >= {
        "kafka-as-a-client",
        "the-prediction-api",
        "read-a-load-test",
        "performance-analysis",
        "logs",
    }


@each
def test_no_output_and_no_count_is_kept(file):
    nbformat.validate(book(file))
    assert [cell.source for cell in code(file) if cell.outputs or cell.execution_count is not None] == []


@each
def test_nothing_is_defined_and_nothing_is_decided_in_a_cell(file):
    for cell in code(file):
        found = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, (*DEFINITIONS, *CHOICES))]
        assert not found, cell.source


@each
def test_cells_are_short(file):
    assert [cell.source for cell in code(file) if len(cell.source.splitlines()) > MOST_LINES] == []


@each
def test_the_first_cell_asks_one_question_and_says_why(file):
    first = book(file).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert len(re.findall(r"\*\*Question\.\*\* .+\?$", first.source, re.MULTILINE)) == 1
    assert re.search(r"^\*\*Why\.\*\* .+", first.source, re.MULTILINE)


@each
def test_the_first_code_says_where_the_answers_come_from(file):
    first = code(file)[0].source
    assert f'open_source("{file.stem}")' in first
    assert "print(source)" in first


@each
def test_it_ends_with_an_answer_and_what_to_try_next(file):
    *_, answer, last = book(file).cells
    assert ANSWER in answer.metadata.get("tags", ())
    assert last.source.startswith("## Try next")
    linked = re.findall(r"\]\(\.\./labs/([\w-]+)/README\.md\)", last.source)
    assert linked
    assert set(linked) <= {lab.slug for lab in read_course(find_home()).labs}


@each
def test_every_figure_names_its_axes_with_units(file):
    drawn = [
        node
        for cell in code(file)
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {f"figures.{name}" for name in ("lines", "bars", "points", "spans")}
    ]
    assert drawn
    for node in drawn:
        named = {word.arg: ast.literal_eval(word.value) for word in node.keywords if word.arg in ("x", "y")}
        assert set(named) == ({"x"} if ast.unparse(node.func) == "figures.spans" else {"x", "y"}), ast.unparse(node)
        assert all(named.values())


@each
def test_no_machine_path_is_in_it(file):
    assert not MACHINE.search(file.read_text(encoding="utf-8"))


@each
def test_its_samples_are_there(file):
    assert (SAMPLES / file.stem / "recorded.json").is_file()


@pytest.mark.parametrize(
    "file",
    sorted(path for path in SAMPLES.rglob("*") if path.is_file()),
    ids=lambda file: str(file.relative_to(SAMPLES)),
)
def test_samples_are_small_and_tell_nothing_of_the_machine(file):
    content = file.read_bytes()
    assert len(content) <= MOST_BYTES
    assert not MACHINE.search(content.decode("utf-8", "replace"))


def test_every_folder_of_samples_belongs_to_a_notebook():
    assert {path.name for path in SAMPLES.iterdir()} == {file.stem for file in NOTEBOOKS}


def test_the_index_has_every_notebook_with_its_question():
    index = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[([\w-]+)\]\(\1\.ipynb\) \| (.+) \|$", index, re.MULTILINE)
    assert sorted(rows) == [(one.name, one.question) for one in map(shown, NOTEBOOKS)]
