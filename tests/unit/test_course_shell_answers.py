"""A student's answers out of a shell file: numbers and sums; nothing else is an answer."""

from pathlib import Path

import pytest

from labkit.course.evidence.shell_answers import shell_answers

NAMES = ("A", "B")


def written(folder: Path, text: str) -> Path:
    (folder / "task.env").write_text("RATE=90\n", encoding="utf-8")
    file = folder / "answers.env"
    file.write_text(text, encoding="utf-8")
    return file


def test_numbers_and_sums_of_the_students_own_numbers_are_answers(tmp_path):
    assert shell_answers(written(tmp_path, "A=2.5  # why\nB=$(( RATE * 3 ))\nC=1\n"), NAMES) == {"A": 2.5, "B": 270.0}


@pytest.mark.parametrize("text", ["A=\nB=\n", "# A=1\n# B=2\n", "A=many\nB='1 2'\n", "A=$((\nB=1\n", "exit 0\n"])
def test_what_is_no_number_is_no_answer(tmp_path, text):
    assert shell_answers(written(tmp_path, text), NAMES) == {}


def test_a_file_that_is_not_there_has_no_answers(tmp_path):
    assert shell_answers(tmp_path / "answers.env", NAMES) == {}
