"""Every lab keeps the promises of the course that can be judged from its files; `make course-check` runs the labs."""

from pathlib import Path

import pytest

from labkit.course.manifest import Lab, read_course
from labkit.home import find_home
from tests.course import rules
from tests.course.example import MANIFEST, change, read_example, write_example
from tests.course.rules import RULES, Rule, faults_of_the_course

HOME = find_home()
COURSE = read_course(HOME)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("lab", COURSE.labs, ids=lambda lab: lab.slug)
def test_the_lab_keeps_its_promises(lab: Lab, rule: Rule):
    faults = [f"{lab.slug}: {fault}" for fault in rule(lab)]
    assert not faults, "\n".join(faults)


def test_the_labs_together_keep_the_promises_of_the_course():
    faults = list(faults_of_the_course(COURSE, HOME.root / "labs"))
    assert not faults, "\n".join(faults)


def test_the_example_of_the_controls_is_without_fault(tmp_path):
    _, lab = read_example(write_example(tmp_path))
    assert [fault for rule in RULES for fault in rule(lab)] == []


# rule, file under labs/, what stands there, what is planted instead (None: the file goes), what the rule then says
BY_FILE = (
    ("folder_is_complete", "{}/README.es.md", "", None, "README.es.md is missing"),
    ("folder_is_complete", "{}/check_say_hello.py", "", None, "check_say_hello.py is missing"),
    ("nothing_is_left_lying_about", "{}/notes.txt", "", "new", "notes.txt belongs nowhere"),
    ("nothing_is_left_lying_about", "{}/solution/more.txt", "", "new", "solution/more.txt is not among"),
    ("students_files_are_there_twice", "{}/solution/hello.txt", "", None, "solution/hello.txt is missing"),
    ("students_files_are_there_twice", "{}/solution/hello.txt", "Ana", "TODO Ana", "solution/hello.txt has a TODO"),
    ("students_files_are_there_twice", "{}/starter/hello.txt", "TODO", "Say", "starter/hello.txt has no TODO"),
    ("manifest_states_a_reason_for_each_check", "{}/check_say_hello.py", "check_claim_6", "claim_6", "5 checks"),
    ("manifest_states_a_reason_for_each_check", "{}/check_say_hello.py", "says_hello", "greets", "the file greets"),
    ("manifest_states_a_reason_for_each_check", "{}/check_say_hello.py", '"""One more claim."""', "", "its claim"),
    ("ports_are_its_own", "{}/starter/given.txt", "18080", "18310", "names port 18310"),
    ("texts_have_their_sections", "{}/README.md", "## Why", "## Reasons", "Question, Reasons, Predict"),
    ("texts_have_their_sections", "{}/README.es.md", "## Haz", "## Hacer", "Predice, Hacer, Espera"),
    ("texts_have_their_sections", "{}/README.md", "# 00. Say hello", "# 00. Greet", "not with '# 00. Say hello'"),
    ("texts_have_their_sections", "{}/README.es.md", "# 00. Saluda", "# Saluda", "begins with '# Saluda'"),
    ("texts_have_their_sections", "{}/README.md", "What?", "What?\n" * 200, "lines, at most 200"),
    ("both_languages_say_the_same", "{}/README.es.md", "--last 5m", "--last 6m", "other sh blocks"),
    ("both_languages_say_the_same", "{}/README.es.md", "<!-- fails -->", "", "other marks"),
    ("both_languages_say_the_same", "{}/README.es.md", "00-hello.svg", "00-hola.svg", "other pictures"),
    ("links_lead_somewhere", "images/00-hello.svg", "", None, "../images/00-hello.svg is not there"),
    ("links_lead_somewhere", "{}/README.md", "(check_say", "(checks_say", "checks_say_hello.py is not there"),
    ("text_starts_checks_and_cleans_up", "{}/README.md", "lab start 00", "lab up", "the first commands are"),
    ("text_starts_checks_and_cleans_up", "{}/README.md", "lab start 00", "lab start 01", "`lab start 00`"),
    ("text_starts_checks_and_cleans_up", "{}/README.es.md", "lab check 00", "lab hint 00", "Comprueba does not run"),
    ("text_starts_checks_and_cleans_up", "{}/README.md", "lab down", "lab status", "Clean up does not run"),
    ("students_edits_are_marked", "{}/README.md", "edit: hello.txt", "edit: other.txt", "when to edit hello.txt"),
    ("students_edits_are_marked", "{}/README.md", "edit: hello.txt", "edit: other.txt", "edits other.txt"),
    ("commands_exist", "{}/README.md", "--last 5m", "--latest 5m", "there is no option --latest"),
    ("commands_exist", "{}/README.es.md", "`lab progress`", "`lab advance`", "there is no command 'advance'"),
    ("commands_exist", "{}/README.md", "lab check 00", "A=1 lab kafka topicz", "there is no command 'topicz'"),
)
BY_MANIFEST = (
    ("students_files_are_there_twice", 'files = ["hello.txt"]', "files = []", "lists no files"),
    ("students_files_are_there_twice", 'files = ["hello.txt"]', 'files = ["bye.txt"]', "starter/bye.txt is missing"),
    ("hints_help_without_giving_all", '"The file has one blank only.", ', "", "3 hints"),
    ("hints_help_without_giving_all", "Read the text once more.", " ", "hint 1 says nothing"),
    ("hints_help_without_giving_all", "The file", "hello hello  hello Ana says so", "hint 2 holds the whole"),
    ("manifest_states_a_reason_for_each_check", '"claim 6" = "nobody"\n', "", "[lab.fails] has"),
    ("manifest_states_a_reason_for_each_check", '"claim 6" = "nobody"', '"claim 6" = ".*"', "fits every message"),
    ("figures_are_possible", "minutes = 5", "minutes = 0", "in 0 minutes"),
    ("figures_are_possible", "machine_minutes = 0.5", "machine_minutes = 9", "9 minutes of the machine's"),
    ("figures_are_possible", "memory = 300", "memory = 6001", "6001 MB"),
    ("figures_are_possible", "memory = 300", "memory = 0", "0 MB"),
    ("figures_are_possible", "TIMES = [2, 5]", "", "no number of the student's own"),
    ("figures_are_possible", "TIMES = [2, 5]", "TIMES = [5, 5]", "is one number"),
    ("figures_are_possible", "Who is there?", "Hello.", "the question asks nothing"),
    ("ports_are_its_own", "[300, 309]", "[290, 309]", "not inside 300 to 399"),
    ("ports_are_its_own", "[300, 309]", "[300, 400]", "not inside 300 to 399"),
)


@pytest.mark.parametrize(("rule", "file", "old", "new", "says"), BY_FILE, ids=lambda value: str(value)[:30])
def test_a_fault_in_a_file_is_told(tmp_path, rule: str, file: str, old: str, new: str | None, says: str):
    home = write_example(tmp_path)
    _, lab = read_example(home)
    path = tmp_path / "labs" / file.format(lab.slug)
    if new is None:
        path.unlink()
    elif old:
        change(path, old, new)
    else:
        path.write_text(new, encoding="utf-8")
    assert says in "; ".join(getattr(rules, rule)(lab))


@pytest.mark.parametrize(("rule", "old", "new", "says"), BY_MANIFEST, ids=lambda value: str(value)[:30])
def test_a_fault_in_the_manifest_is_told(tmp_path, rule: str, old: str, new: str, says: str):
    home = write_example(tmp_path)
    change(tmp_path / "labs" / "labs.toml", old, new)
    _, lab = read_example(home)
    assert says in "; ".join(getattr(rules, rule)(lab))


def test_a_fault_of_the_whole_course_is_told(tmp_path):
    home = write_example(tmp_path)
    manifest: Path = tmp_path / "labs" / "labs.toml"
    manifest.write_text(MANIFEST.replace("00-say-hello", "01-say-goodbye") + MANIFEST, encoding="utf-8")
    (tmp_path / "labs" / "02-left-behind").mkdir()
    course, _ = read_example(home)
    told = "; ".join(faults_of_the_course(course, tmp_path / "labs"))
    for fault in (
        "not in the order of their numbers",
        "02-left-behind has no entry",
        "01-say-goodbye and 00-say-hello share ports",
        "12 checks in all labs, at least 40",
    ):
        assert fault in told
