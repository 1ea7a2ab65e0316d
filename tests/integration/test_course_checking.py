"""The checks of a lab as `lab check NN` runs them: green, red, broken off, and what cannot run at all."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from labkit.check.finding import Finding
from labkit.course.checking import check_work, work_on
from labkit.course.student import Student
from labkit.course.work import Work
from labkit.errors import CannotRun
from labkit.urls import Urls
from tests.course.example import change, read_example, write_example

ALL = ["the file says hello", "the file names the student", *(f"claim {number}" for number in range(3, 7))]


@pytest.fixture
def work(tmp_path: Path, monkeypatch) -> Work:
    """Work on the example lab: its file says what it should."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # check_work sets it; this puts it back
    sys.modules.pop("check_say_hello", None)  # `lab check` is a process of its own, these tests are not
    home = write_example(tmp_path)
    _, lab = read_example(home)
    folder = tmp_path / "work" / lab.slug
    folder.mkdir(parents=True)
    student = Student("Ana")
    (folder / "hello.txt").write_text("hello " * student.numbers(lab)["TIMES"] + "Ana", encoding="utf-8")
    return Work(lab, folder, student.numbers(lab), Urls(service="http://127.0.0.1:9"), home, 18000)


def checked(work: Work, text: str | None = None, **options: str) -> dict[str, Finding]:
    if text is not None:
        (work.folder / "hello.txt").write_text(text, encoding="utf-8")
    return {finding.name: finding for finding in check_work(work, **options)}


def test_good_work_is_green_check_by_check_in_the_order_of_the_file(work):
    told: list[Finding] = []
    found = check_work(work, told.append)
    assert [(one.name, one.verdict) for one in found] == [(name, "passed") for name in ALL]
    assert told == found
    assert found[0].seen.endswith("times hello")


def test_red_says_expected_seen_and_next(work):
    found = checked(work, "hello hello hello hello hello hello")["the file names the student"]
    assert (found.verdict, found.expected, found.next) == ("failed", "Ana", "write your name")
    assert found.seen.startswith("hello")


def test_another_students_number_is_red(work):
    other = replace(work, numbers={"TIMES": work.numbers["TIMES"] + 1})
    assert checked(other)["the file says hello"].expected == f"{work.numbers['TIMES'] + 1} times hello"


def test_a_check_that_raises_costs_only_itself(work):
    found = checked(work, "broken Ana")
    finding = found["the file names the student"]
    assert finding.verdict == "failed"
    assert "broke off: ZeroDivisionError: planted" in finding.seen
    assert "ZeroDivisionError" in finding.figures["traceback"]
    assert found["claim 3"].verdict == "passed"


def test_a_system_that_is_away_is_red_with_its_next_step(work):
    finding = checked(work, "unreachable")["the file names the student"]
    assert (finding.verdict, finding.seen, finding.next) == ("failed", "the service is away", "lab status")


def test_a_check_that_finds_nothing_broke_off(work):
    assert "broke off" in checked(work, "silent")["the file names the student"].seen


def test_what_a_check_prints_stays_out_of_the_findings(work, capfd):
    change(
        work.lab.check_file, '    text = work.text("hello.txt")\n', '    text = work.text("hello.txt")\n    print(1)\n'
    )
    checked(work)
    assert capfd.readouterr().out == ""


def test_only_some_of_the_checks(work):
    assert list(checked(work, only="file_says or claim_3")) == [ALL[0], ALL[2]]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("from labkit.errors import CannotRun", "import no_such_thing", "no_such_thing"),
        ("def check_the_file_says_hello", "def check_the_file_says_hello(", "SyntaxError|never closed"),
        ("def check_claim_3(work: Work)", "def check_claim_3(work: Work, service: str)", "fixture 'service' not found"),
        ("def check_", "def no_check_", "no tests ran|deselected|collected"),
    ],
)
def test_a_broken_check_file_is_an_error_of_the_course(work, old, new, told):
    change(work.lab.check_file, old, new)
    with pytest.raises(CannotRun, match=rf"the checks of lab 00 cannot run: .*({told}).*; next: git status labs"):
        check_work(work)


def test_a_lab_that_was_not_started_says_so(tmp_path, work):
    with pytest.raises(CannotRun, match=r"lab 00 has not been started .*; next: lab start 00"):
        work_on(work.lab, work.home, {"LAB_WORK": str(tmp_path / "elsewhere")})


def test_without_a_stack_the_next_step_is_the_labs_own(work):
    with pytest.raises(CannotRun, match=r"no stack is up here; next: lab start 00"):
        work_on(work.lab, work.home, {"LAB_WORK": str(work.folder.parent)})


def test_work_has_the_students_own_numbers_and_addresses(work):
    environ = {"LAB_WORK": str(work.folder.parent), "LAB_SERVICE_URL": "http://127.0.0.1:9", "LAB_PORT_BASE": "19000"}
    there = work_on(work.lab, work.home, environ)
    assert (there.folder, there.base, there.port(301)) == (work.folder, 19000, 19301)
    assert there.urls.service == "http://127.0.0.1:9"
    assert there.text("hello.txt").endswith("Ana")
    assert there.text("nothing.txt") == ""
