"""The text of a lab, read as steps of a walk."""

import subprocess
from pathlib import Path

import pytest

from tests.course.lab_words import unknown_words
from tests.course.text import Commands, Edit, marks, prose, script, sections, steps

TEXT = """# 00. Say hello

## Do

```sh
echo one
echo two
```

Then:

<!-- edit: a.txt, more/b.txt -->

```text
## Not a title, and `lab nonsense`
```

<!-- fails -->
```sh
false
```
<!-- manual -->
```sh
open a browser
```

```sh
echo three
```

## Next
"""


def test_a_text_is_read_as_blocks_and_edits_in_their_order():
    assert steps(TEXT) == [
        Commands(5, "echo one\necho two"),
        Edit(12, ("a.txt", "more/b.txt")),
        Commands(19, "false", fails=True),
        Commands(27, "echo three"),
    ]


def test_a_mark_belongs_to_the_next_block_only():
    two = "<!-- manual -->\n```sh\none\n```\n```sh\ntwo\n```\n<!-- manual -->\n```text\n```\n```sh\nthree\n```\n"
    assert [step.script for step in steps(two) if isinstance(step, Commands)] == ["two", "three"]


def test_what_fences_hold_is_neither_mark_nor_title_nor_prose():
    fenced = "```text\n<!-- fails -->\n## Title\n```\n```sh\nfalse\n```\n"
    assert steps(fenced) == [Commands(5, "false")]
    assert list(sections(fenced)) == []
    assert "Title" not in prose(fenced)


def test_sections_and_marks_are_in_their_order():
    assert list(sections(TEXT)) == ["Do", "Next"]
    assert "echo one" in sections(TEXT)["Do"]
    assert marks(TEXT) == ["<!-- edit: a.txt, more/b.txt -->", "<!-- fails -->", "<!-- manual -->"]


@pytest.fixture
def solution(tmp_path: Path) -> Path:
    for name in ("a.txt", "more/b.txt"):
        path = tmp_path / "solution" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    return tmp_path / "solution"


def walked(text: str, solution: Path) -> "subprocess.CompletedProcess[str]":
    program = script(steps(text), solution, str(solution.with_name("work")))
    return subprocess.run(["bash", "-u"], input=program, capture_output=True, text=True, timeout=20, check=False)


def test_a_walk_runs_every_step_and_copies_what_the_student_edits(solution):
    done = walked(TEXT, solution)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["@@", "5", "one", "two", "@@", "12", "@@", "19", "@@", "27", "three"]
    assert (solution.with_name("work") / "more" / "b.txt").read_text(encoding="utf-8") == "more/b.txt"


def test_a_walk_ends_at_the_first_step_that_goes_wrong(solution):
    done = walked(TEXT.replace("echo one", "false"), solution)
    assert (done.returncode, done.stdout) == (1, "@@ 5\n")


def test_a_step_that_should_fail_and_does_not_ends_the_walk(solution):
    done = walked(TEXT.replace("false\n", "true\n"), solution)
    assert (done.returncode, done.stdout.split()[-1]) == (99, "19")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("```sh\nlab status --json\nA=1 lab up --profile core\nlab check 05 && lab hint 05\n```", ""),
        ("`lab check deployment --engine compose`, `lab kafka topics`, `lab kafka`, `lab serve NN --stop`", ""),
        ("```sh\nlab search 'a --nonsense b | lab no' --last 5m  # lab nonsense\n```", ""),
        ("```sh\nlab search -n 5 \\\n  --count\n```", ""),
        ("```text\nlab nonsense\n```", ""),
        ("```sh\nfor i in 1 2; do lab nonsense; done\n```", "no command 'nonsense'"),
        ("```sh\nX=$(lab kafka nonsense)\n```", "no command 'nonsense'"),
        ("```sh\nlab search -n 5 \\\n  --counts\n```", "no option --counts"),
        ("`lab check 05 --onli x`", "no option --onli"),
    ],
)
def test_the_words_of_the_lab_command_in_a_text_are_its_own(text: str, fault: str):
    told = "; ".join(unknown_words(text))
    assert fault in told
    assert bool(told) == bool(fault)
