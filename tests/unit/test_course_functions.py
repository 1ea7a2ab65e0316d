"""Calling a student's functions: right answers, and every way of going wrong in words."""

import pytest

from labkit.course.evidence import functions
from labkit.course.evidence.functions import called, close, shown


def student(folder, text):
    (folder / "work.py").write_text(text, encoding="utf-8")
    return folder


def test_numbers_and_arrays_come_back(tmp_path):
    folder = student(tmp_path, "def double(x):\n    return 2 * x\n\ndef size(run):\n    return run['size']\n")
    assert called(folder, "work", [("double", [4]), ("double", [[1, 2]]), ("size", [{"size": 7}])]) == [8, [2, 4], 7]


def test_what_a_student_prints_is_not_an_answer(tmp_path):
    assert called(
        student(tmp_path, "print('[1]')\ndef one():\n    print('[2]')\n    return 1\n"), "work", [("one", [])]
    ) == [1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def f(x):\n    raise NotImplementedError('TODO: f')\n", "NotImplementedError: TODO: f"),
        ("# def f(x): return 1\n", "AttributeError"),
        ("def f(x:\n", "SyntaxError"),
        ("def f(x):\n    return None\n", "nan"),
        ("def f(x):\n    return 'much'\n", "ValueError"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
        ("import os\nos._exit(0)\n", "ended before it answered"),
    ],
)
def test_what_goes_wrong_is_said(tmp_path, text, words):
    (told,) = called(student(tmp_path, text), "work", [("f", [1])])
    assert words in str(told)
    assert not close(told, 1)


def test_one_function_that_fails_leaves_the_others(tmp_path):
    text = "def f():\n    return 1 / 0\n\ndef g():\n    return 3\n"
    assert called(student(tmp_path, text), "work", [("f", []), ("g", [])]) == ["ZeroDivisionError: division by zero", 3]


def test_a_module_that_is_not_there(tmp_path):
    assert "ModuleNotFoundError" in called(tmp_path, "work", [("f", [])])[0]


def test_endless_work_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(functions, "PATIENCE_S", 1.0)
    assert "took more than" in called(student(tmp_path, "while True:\n    pass\n"), "work", [("f", [])])[0]


def test_close_and_shown():
    assert close(1.005, 1)
    assert close([1, 2.01], [1, 2])
    assert not close([1], [1, 2])
    assert not close(1, [1])
    assert not close(1.02, 1)
    assert shown([1.0, 2.5, 1e6, 4.0, 5.0]) == "[1, 2.5, 1e+06, 4…]"
