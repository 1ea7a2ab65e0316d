"""Results exported and summed up, with real keys; each flag has a control that lacks it."""

import csv
import json
import stat
import time
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import Result
from typer.testing import CliRunner

from labkit.check.finding import failed, passed
from labkit.cli import app
from labkit.course.class_results import ClassResults, read_class
from labkit.course.class_tables import class_lines
from labkit.course.export import SignedResults, collected, signed, signing_key, write_results
from labkit.course.manifest import Course, read_course
from labkit.course.results import note, note_findings
from labkit.course.student import Student, keep_student
from labkit.errors import CannotRun
from labkit.home import Home, find_home
from tests.course.example import change, read_example, write_example

BASE = 18000


@dataclass
class School:
    """A folder of handed-in files, and students who work each in a folder of their own."""

    home: Home
    course: Course
    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "handed-in"

    def work(self, name: str) -> Path:
        return self.root / "students" / name

    def studies(self, name: str, text: str | None = None) -> Path:
        """Let a student pass the lab; returns the work folder."""
        work, lab = self.work(name), self.course.labs[0]
        (work / lab.slug).mkdir(parents=True, exist_ok=True)
        (work / lab.slug / "hello.txt").write_text(text or f"hello, I am {name}\n", encoding="utf-8")
        keep_student(work, name)
        note(work, lab, started=time.time(), hints=2, solved="after")
        note_findings(work, lab, [passed("2 times hello")], good=True)
        return work

    def hands_in(self, name: str, key_of: str = "", base: int = BASE, as_name: str = "") -> Path:
        work = self.work(name)
        found = collected(self.course, work, Student(as_name or name), base)
        return write_results(signed(found, signing_key(self.work(key_of or name))), self.folder)

    def read(self) -> ClassResults:
        return read_class(self.folder, self.course)

    def flags(self) -> list[tuple[str, str]]:
        return [(flag.file, flag.kind) for flag in self.read().flags]


@pytest.fixture
def school(tmp_path: Path) -> School:
    home = write_example(tmp_path / "project")
    return School(home, read_example(home)[0], tmp_path)


def edit(path: Path, *steps: str | int, to: Any) -> None:
    """Change a value of a file in place, as somebody with an editor would."""
    facts = json.loads(path.read_text(encoding="utf-8"))
    place = facts
    for step in steps[:-1]:
        place = place[step]
    place[steps[-1]] = to
    path.write_text(json.dumps(facts), encoding="utf-8")


def test_a_file_says_what_was_done_and_its_signature_fits(school):
    school.studies("Ana Pérez")
    path = school.hands_in("Ana Pérez")
    assert path.name == "Ana-Pérez-results.json"
    file = msgspec.json.decode(path.read_bytes(), type=SignedResults)
    lab = file.results.labs["00"]
    assert (file.results.student, lab.hints, lab.tries, lab.solved) == ("Ana Pérez", 2, 1, "after")
    assert lab.passed > 0
    assert [finding.seen for finding in lab.findings] == ["2 times hello"]
    assert lab.numbers == Student("Ana Pérez").numbers(school.course.labs[0])
    assert list(lab.files) == ["hello.txt"]
    assert file.genuine()
    assert school.flags() == []


def test_the_key_is_made_once_for_its_owner_alone(school):
    work = school.studies("Ana")
    first, second = signing_key(work).private_bytes_raw(), signing_key(work).private_bytes_raw()
    assert first == second
    assert stat.S_IMODE((work / ".course" / "signing-key.pem").stat().st_mode) == 0o600
    assert signing_key(school.studies("Ben")).private_bytes_raw() != first


@pytest.mark.parametrize("content", ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_broken_key_says_what_to_do(school, content):
    work = school.studies("Ana")
    (work / ".course" / "signing-key.pem").write_text(content, encoding="ascii")
    with pytest.raises(CannotRun, match=r"signing-key.pem cannot be used .*; next: move it away"):
        signing_key(work)


@pytest.mark.parametrize(
    ("steps", "to"),
    [
        (("results", "labs", "00", "passed"), 1.0),
        (("results", "labs", "00", "hints"), 0),
        (("results", "labs", "00", "solved"), ""),
        (("results", "labs", "00", "findings", 0, "verdict"), "failed"),
        (("results", "labs", "00", "files", "hello.txt"), "00"),
        (("results", "time"), 1.0),
        (("signature",), "AAAA"),
        (("signature",), "no base64!"),
        (("public_key",), "AAAA"),
    ],
)
def test_an_edited_file_is_flagged(school, steps, to):
    school.studies("Ana")
    path = school.hands_in("Ana")
    assert school.flags() == []
    edit(path, *steps, to=to)
    assert (path.name, "edited") in school.flags()


def test_a_file_that_is_only_laid_out_anew_is_genuine(school):
    school.studies("Ana")
    path = school.hands_in("Ana")
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")), sort_keys=True), encoding="utf-8")
    assert school.flags() == []


def test_signing_again_with_a_key_of_ones_own_needs_the_name_too(school):
    """Ben signs Ana's results as his: her numbers are not those that his name draws."""
    school.studies("Ana")
    school.studies("Ben")
    other = next(name for name in ("Ben", "Cleo", "Dan") if numbers(school, name) != numbers(school, "Ana"))
    path = school.hands_in("Ana")
    facts = msgspec.json.decode(path.read_bytes(), type=SignedResults).results
    path.unlink()
    stolen = msgspec.structs.replace(facts, student=other)
    path = write_results(signed(stolen, signing_key(school.work("Ben"))), school.folder)
    assert school.flags() == [(path.name, "numbers")]


def numbers(school: School, name: str) -> dict[str, int]:
    return Student(name).numbers(school.course.labs[0])


def test_one_key_under_two_names_is_flagged_on_both(school):
    school.studies("Ana")
    school.studies("Ben")
    files = [school.hands_in("Ana").name, school.hands_in("Ben", key_of="Ana").name]
    assert school.flags() == [(file, "key") for file in files]
    assert "Ben" in school.read().flags[0].says
    school.hands_in("Ben")  # the control: with his own key
    assert school.flags() == []


def test_one_name_under_two_keys_is_flagged(school):
    school.studies("Ana")
    school.studies("Ben")
    first = school.hands_in("Ana")
    first = first.rename(first.with_name("first.json"))
    again = school.hands_in("Ana")
    assert school.flags() == []  # handed in twice with the same key: the newest counts
    assert [entry.file for entry in school.read().entries] == [again.name]
    school.hands_in("Ana", key_of="Ben")
    assert sorted(school.flags()) == [(again.name, "name"), (first.name, "name")]


def differing(school: School) -> tuple[str, str]:
    """Return two students whose numbers differ."""
    return "Ana", next(
        name for name in ("Ben", "Cleo", "Dan", "Eva") if numbers(school, name) != numbers(school, "Ana")
    )


def test_equal_work_where_the_numbers_differ_is_flagged_on_both(school):
    names = differing(school)
    for name in names:
        school.studies(name, "hello hello hello Ana on port 18080\n")
    files = [school.hands_in(name).name for name in names]
    assert school.flags() == [(file, "copied") for file in files]


def test_another_port_base_hides_no_copy(school):
    names = differing(school)
    for name, port in zip(names, (18080, 20080), strict=True):
        school.studies(name, f"hello hello hello Ana on port {port}\n")
    files = [school.hands_in(name, base=base).name for name, base in zip(names, (18000, 20000), strict=True)]
    assert school.flags() == [(file, "copied") for file in files]


@pytest.mark.parametrize("kind", ["starter", "solution"])
def test_the_courses_own_files_are_no_copy(school, kind):
    for name in differing(school):
        school.studies(name, (school.course.labs[0].folder / kind / "hello.txt").read_text(encoding="utf-8"))
        school.hands_in(name)
    assert school.flags() == []


def test_equal_work_with_equal_numbers_or_other_work_is_no_copy(school):
    same = next(name for name in map(str, range(100)) if numbers(school, name) == numbers(school, "Ana"))
    for name, text in (("Ana", "same"), (same, "same"), (differing(school)[1], "another")):
        school.studies(name, f"hello hello hello {text}\n")
        school.hands_in(name)
    assert len(school.read().entries) == 3
    assert school.flags() == []


@pytest.mark.parametrize("changed", ["labs.toml", "00-say-hello/check_say_hello.py"])
def test_another_course_is_flagged(school, changed):
    school.studies("Ana")
    path = school.hands_in("Ana")
    file = school.home.root / "labs" / changed
    file.write_text(file.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert school.flags() == [(path.name, "course")]


def test_a_lab_that_there_is_not_is_flagged(school):
    school.studies("Ana")
    path = school.hands_in("Ana")
    change(school.home.root / "labs" / "labs.toml", "00-say-hello", "01-say-hello")
    course, _ = read_example(school.home)
    assert "there is no lab 00 here" in [flag.says for flag in read_class(path.parent, course).flags]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b"\xff", b'{"format": 1}', b"[" * 100_000, b'"' + b"x" * 5_000_001 + b'"']
)
def test_what_is_no_results_file_is_flagged_beside_those_that_are(school, content):
    school.studies("Ana")
    school.hands_in("Ana")
    (school.folder / "notes.json").write_bytes(content)
    assert school.flags() == [("notes.json", "format")]
    assert [entry.student for entry in school.read().entries] == ["Ana"]


def test_a_later_format_is_flagged(school):
    school.studies("Ana")
    path = school.hands_in("Ana")
    edit(path, "format", to="observability-lab-results/2")
    assert school.flags() == [(path.name, "format")]
    assert "this command reads 'observability-lab-results/1'" in school.read().flags[0].says


def test_a_name_is_neither_formula_nor_markup_nor_escape(school):
    lines = []
    for name in ("=1+1", "[red]Ana[/red]"):
        school.studies("Ana")
        school.hands_in("Ana", as_name=name)
        lines = list(csv.reader(StringIO(class_lines(school.read(), school.course))))
    assert {line[0] for line in lines[1:]} == {"'=1+1", "[red]Ana[/red]"}


def lab(*words: str, **environ: str) -> Result:
    return CliRunner().invoke(app, list(words), env=environ)


def test_the_commands_export_and_sum_up(tmp_path):
    """On the course itself: a student with one lab begun."""
    course, work, folder = read_course(find_home()), tmp_path / "work", tmp_path / "class"
    nothing = lab("export", LAB_WORK=str(work))
    assert isinstance(nothing.exception, CannotRun)
    assert "no lab has been started" in str(nothing.exception)
    keep_student(work, "Ana Pérez")
    note(work, course.labs[0], started=time.time(), hints=1)
    note_findings(work, course.labs[0], [passed("one"), failed("two", "next")], good=False)
    done = lab("export", "--to", str(folder), LAB_WORK=str(work))
    assert done.stdout.startswith(f"Ana Pérez: 0 of {len(course.labs)} labs passed (none)")
    assert (folder / "Ana-Pérez-results.json").is_file()
    facts = json.loads(lab("class", str(folder), "--json").stdout)
    assert facts["students"][0]["labs"]["00"] == {
        "passed": 0.0, "checks_passed": 1, "checks": 2, "tries": 1, "hints": 1, "solution_seen": "",
    }  # fmt: skip
    table = lab("class", str(folder), COLUMNS="200")
    assert (table.exit_code, "Ana Pérez" in table.stdout, "1 of 2, 1 hint" in table.stdout) == (0, True, True)
    head, line = csv.reader(StringIO(lab("class", str(folder), "--csv").stdout))
    assert dict(zip(head, line, strict=True))["00 checks"] == "1 of 2"
    edit(folder / "Ana-Pérez-results.json", "results", "labs", "00", "hints", to=0)
    flagged = lab("class", str(folder), COLUMNS="200")
    assert flagged.exit_code == 1
    assert "Ana-Pérez-results.json: the signature does not fit" in flagged.stdout


def test_a_folder_without_files_cannot_be_summed_up(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        done = lab("class", str(folder))
        assert isinstance(done.exception, CannotRun)
        assert "next: students run lab export" in str(done.exception)
