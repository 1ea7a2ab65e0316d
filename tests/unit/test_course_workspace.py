"""A student's folder, name, numbers and results: copied once, never overwritten, the same for the same name."""

import getpass
import json
import stat
import subprocess
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.check.finding import Finding
from labkit.course.evidence.json_lines import json_lines
from labkit.course.manifest import Lab
from labkit.course.results import Result, note, note_findings, result, results
from labkit.course.student import LONGEST_NAME, Student, keep_student, plain_name, read_student
from labkit.course.workspace import copy_files, lay_out, moved, started_folder, work_folder, write_numbers
from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.ports import DEFAULT_BASE

STARTER = {
    "Procfile": "web: python web.py 18320\n",
    "web.py": "PORT = 18320\nSIZE = 180320\n",
    "deep/er/traefik.yml": "address: 127.0.0.1:18321\n",
    "run.sh": "#!/bin/sh\n",
}
NAMES = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=LONGEST_NAME)


def lab(root: Path, slug: str = "02-route-it", **more: object) -> Lab:
    facts = {"title": "Route it", "question": "?", "profile": "core", "minutes": 1, "machine_minutes": 1.0, "memory": 1}
    return Lab(slug=slug, files=("web.py",), hints=("one",), root=root, **{**facts, **more})


@pytest.fixture
def course(tmp_path: Path) -> Lab:
    made = lab(tmp_path / "labs", numbers={"WEIGHT": (5, 30), "COUNT": (1, 1_000_000)})
    for name, text in STARTER.items():
        file = made.starter / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (made.starter / "run.sh").chmod(0o755)
    return made


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"


def contents(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


class TestFiles:
    def test_the_starter_is_copied_as_it_is(self, course, work):
        folder, aside = lay_out(course, work, DEFAULT_BASE, fresh=False)
        assert (folder, aside) == (work / course.slug, None)
        assert contents(folder) == STARTER
        assert stat.S_IMODE((folder / "run.sh").stat().st_mode) == 0o755

    def test_ports_are_those_of_the_stack(self, course, work):
        folder, _ = lay_out(course, work, 20400, fresh=False)
        assert contents(folder) == {
            "Procfile": "web: python web.py 20720\n",
            "web.py": "PORT = 20720\nSIZE = 180320\n",
            "deep/er/traefik.yml": "address: 127.0.0.1:20721\n",
            "run.sh": "#!/bin/sh\n",
        }

    def test_what_the_student_has_written_stays_and_what_is_missing_comes_back(self, course, work):
        folder, _ = lay_out(course, work, DEFAULT_BASE, fresh=False)
        (folder / "web.py").write_text("mine")
        (folder / "notes.md").write_text("mine too")
        (folder / "Procfile").unlink()
        lay_out(course, work, 20400, fresh=False)
        assert contents(folder) == {
            **STARTER,
            "web.py": "mine",
            "notes.md": "mine too",
            "Procfile": "web: python web.py 20720\n",
        }

    def test_fresh_puts_the_old_folder_aside_whole_however_often(self, course, work):
        folder, _ = lay_out(course, work, DEFAULT_BASE, fresh=False)
        put = []
        for number in range(3):  # more than one a second
            (folder / "web.py").write_text(f"try {number}")
            _, aside = lay_out(course, work, DEFAULT_BASE, fresh=True)
            put.append(aside)
            assert contents(folder) == STARTER
        assert [(aside / "web.py").read_text() for aside in put] == ["try 0", "try 1", "try 2"]

    def test_fresh_without_an_old_folder_is_a_start(self, course, work):
        folder, aside = lay_out(course, work, DEFAULT_BASE, fresh=True)
        assert aside is None
        assert contents(folder) == STARTER

    def test_a_file_in_the_folders_place_is_told(self, course, work):
        work.mkdir()
        (work / course.slug).write_text("a file")
        with pytest.raises(CannotRun, match=r"cannot be made .*; next: move"):
            lay_out(course, work, DEFAULT_BASE, fresh=False)

    def test_what_python_left_behind_is_not_copied(self, course, work):
        left = course.starter / "__pycache__" / "web.cpython-311.pyc"
        left.parent.mkdir()
        left.write_bytes(b"\xff\x00")
        folder, _ = lay_out(course, work, DEFAULT_BASE, fresh=False)
        assert contents(folder) == STARTER

    def test_a_folder_above_of_that_name_is_no_reason_to_leave_files_out(self, tmp_path, work):
        source = tmp_path / "__pycache__" / "starter"
        source.mkdir(parents=True)
        (source / "a.txt").write_text("a")
        assert copy_files(source, work, DEFAULT_BASE, replace=False) == [Path("a.txt")]

    def test_replacing_says_what_was_written(self, course, work):
        copy_files(course.starter, work, DEFAULT_BASE, replace=False)
        assert copy_files(course.starter, work, DEFAULT_BASE, replace=False) == []
        assert {str(path) for path in copy_files(course.starter, work, 20400, replace=True)} == set(STARTER)

    def test_a_lab_that_was_not_started_has_no_folder(self, course, work):
        with pytest.raises(CannotRun, match=r"02 has not been started .*; next: lab start 02"):
            started_folder(course, work)
        lay_out(course, work, DEFAULT_BASE, fresh=False)
        assert started_folder(course, work) == work / course.slug

    def test_the_work_folder_is_in_the_project_unless_another_is_named(self, tmp_path, monkeypatch):
        home = Home(tmp_path, tmp_path / ".lab")
        assert work_folder(home, {}) == work_folder(home, {"LAB_WORK": ""}) == tmp_path / "work"
        monkeypatch.chdir(tmp_path)
        assert work_folder(home, {"LAB_WORK": "mine"}) == tmp_path / "mine"


class TestPorts:
    @given(st.integers(0, 399), st.integers(1024, 65135))
    def test_a_port_of_the_default_base_moves_by_its_offset(self, offset, base):
        assert moved(f"http://127.0.0.1:{18000 + offset}/x", base) == f"http://127.0.0.1:{base + offset}/x"

    @given(st.integers(0, 99999).filter(lambda number: not 18000 <= number <= 18399), st.integers(1024, 65135))
    def test_other_numbers_stay(self, number, base):
        assert moved(f"a {number} b", base) == f"a {number} b"

    @pytest.mark.parametrize("text", ["118000", "180001", "x18000", "18000_1", "1800", "18400"])
    def test_parts_of_longer_words_stay(self, text):
        assert moved(text, 20400) == text

    @given(st.text())
    def test_on_the_default_base_nothing_changes(self, text):
        assert moved(text, DEFAULT_BASE) == text


class TestNumbers:
    @given(NAMES, st.text(max_size=20), st.integers(-1000, 1000), st.integers(0, 10_000))
    def test_a_number_lies_in_its_range_and_is_always_the_same(self, name, label, low, width):
        number = Student(name).number(label, low, low + width)
        assert low <= number <= low + width
        assert Student(name).number(label, low, low + width) == number

    def test_the_numbers_are_those_of_every_machine(self):
        """A change of the rule would change the numbers of all students in the middle of a course."""
        assert Student("Ana Pérez").number("03-run-a-kafka-cluster/PARTITIONS", 0, 2**64 - 1) == 18002186073580407566

    def test_names_and_labels_draw_different_numbers(self):
        drawn = {Student(f"student {n}").number(label, 0, 10**9) for n in range(100) for label in ("a", "b")}
        assert len(drawn) == 200

    def test_each_number_of_a_small_range_comes_up(self):
        assert {Student(f"student {n}").number("a", 4, 7) for n in range(100)} == {4, 5, 6, 7}

    def test_a_shell_reads_them(self, course, work):
        folder, _ = lay_out(course, work, DEFAULT_BASE, fresh=False)
        student = Student("Ana $(touch hacked) `x` 'q' \"")
        write_numbers(course, folder, student)
        said = subprocess.run(
            ["sh", "-eu", "-c", ". ./task.env; echo $WEIGHT $COUNT"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        assert said.stdout.split() == [str(number) for number in student.numbers(course).values()]
        assert not (folder / "hacked").exists()

    def test_a_lab_without_numbers_gets_no_file(self, tmp_path, work):
        work.mkdir()
        write_numbers(lab(tmp_path), work, Student("Ana"))
        assert contents(work) == {}


class TestNames:
    @given(name=st.text(st.characters(categories=["L", "N", "P", "S", "M"]), min_size=1, max_size=30))
    def test_a_name_that_is_kept_is_read_again(self, name, tmp_path_factory):
        work = tmp_path_factory.mktemp("work")
        assert keep_student(work, name) == read_student(work) == Student(plain_name(name))

    def test_spaces_and_the_way_accents_are_typed_make_no_difference(self, work):
        typed = "  " + unicodedata.normalize("NFD", "Ana   Pérez") + "\t"
        assert keep_student(work, typed) == Student("Ana Pérez")

    @pytest.mark.parametrize(
        "name", ["", "  \n ", "x" * (LONGEST_NAME + 1), "a\x00b", "a\x1b[31m", "a\u202eb", "\ud800"]
    )
    def test_names_that_are_refused(self, work, name):
        with pytest.raises(CannotRun, match="printable characters"):
            keep_student(work, name)
        assert not (work / ".course").exists()

    def test_without_a_name_it_is_the_user_of_the_machine(self, work, monkeypatch):
        assert read_student(work) == Student(getpass.getuser())

    @pytest.mark.parametrize("trouble", [KeyError("uid not found: 4711"), OSError("no username"), ImportError("pwd")])
    def test_a_user_without_a_name_is_a_student(self, work, trouble):
        def nobody() -> str:
            raise trouble

        assert read_student(work, nobody) == read_student(work, str) == Student("student")

    @pytest.mark.parametrize("kept", [b"", b"name = 3", b"name = ", b'nome = "Ana"', b"\xff", b'name = ""'])
    def test_a_broken_file_is_told_with_the_way_out(self, work, kept):
        file = work / ".course" / "student.toml"
        file.parent.mkdir(parents=True)
        file.write_bytes(kept)
        with pytest.raises(CannotRun, match="; next: "):
            read_student(work)

    def test_a_name_edited_by_hand_is_one_line(self, work):
        """Else the rest of it would be a line of its own in task.env, which a shell runs."""
        file = work / ".course" / "student.toml"
        file.parent.mkdir(parents=True)
        file.write_text('name = "a\\nCOUNT=1"')
        assert read_student(work) == Student("a COUNT=1")


class TestResults:
    def test_nothing_was_done_at_first(self, course, work):
        assert results(work) == {}
        assert result(work, course) == Result()
        assert result(work, course).state == "not started"

    def test_what_is_noted_is_kept_beside_the_rest(self, course, work):
        other = lab(course.root, "03-other")
        note(work, other, started=1.5)
        note(work, course, hints=2, started=3.5)
        note(work, course, solved="anyway")
        assert results(work) == {"02": Result(started=3.5, hints=2, solved="anyway"), "03": Result(started=1.5)}
        assert list(json.loads((work / ".course" / "results.json").read_text())) == ["02", "03"]
        assert result(work, other).state == "started"

    def test_the_first_pass_keeps_its_time_and_the_last_findings_stay(self, course, work):
        red, green = Finding("failed", "0", name="a"), Finding("passed", "1", name="a")
        assert note_findings(work, course, [red], good=False).passed == 0
        first = note_findings(work, course, [green], good=True)
        last = note_findings(work, course, [red], good=False)
        assert first.state == last.state == "passed"
        assert last.passed == first.passed > 0
        assert (last.tries, last.findings[0]["verdict"]) == (3, "failed")
        assert result(work, course) == last

    @pytest.mark.parametrize(
        "kept",
        [
            "", "[]", "null", "7", '{"02": null}', '{"02": {}}', '{"02": {"findings": 1}}', '{"02": {"findings": [1]}}',
            '{"02": {"findings": [{}]}}', '{"02": {"findings": [], "strange": 1}}',
            '{"02": {"findings": [], "passed": "yes"}}', '{"02": {"findings": [], "solved": "no"}}',
        ],
    )  # fmt: skip
    def test_a_broken_file_is_told_and_left_as_it_is(self, course, work, kept):
        file = work / ".course" / "results.json"
        file.parent.mkdir(parents=True)
        file.write_text(kept)
        for use in (lambda: results(work), lambda: note(work, course, hints=1)):
            with pytest.raises(CannotRun, match=r"cannot be read .*; next: "):
                use()
        assert file.read_text() == kept


class TestJsonLines:
    def test_torn_lines_and_other_things_are_passed_over(self, tmp_path):
        file = tmp_path / "read.jsonl"
        file.write_bytes(b'{"offset": 1}\n[1]\n7\n\n{"off\n\xff\xfe\n{"offset": 2}')
        assert json_lines(file) == [{"offset": 1}, {"offset": 2}]

    def test_no_file_has_no_lines(self, tmp_path):
        assert json_lines(tmp_path / "none") == json_lines(tmp_path) == []
