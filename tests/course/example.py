"""A small lab that keeps every promise: tests plant a fault in it, or run its checks."""

from pathlib import Path

from labkit.course.manifest import Course, Lab, read_course
from labkit.home import Home

SLUG = "00-say-hello"
CHECKS = """
from labkit.check.finding import Finding, judged
from labkit.course.work import Work
from labkit.errors import CannotRun


def check_the_file_says_hello(work: Work) -> Finding:
    \"\"\"The student's file says hello as often as the student's own number.\"\"\"
    said, wanted = work.text("hello.txt").split().count("hello"), work.numbers["TIMES"]
    return judged(
        said == wanted, expected=f"{wanted} times hello", seen=f"{said} times hello", next_step=f"edit {work.shown}"
    )


def check_the_file_names_the_student(work: Work) -> Finding:
    \"\"\"The file has a second word.\"\"\"
    text = work.text("hello.txt")
    if "broken" in text:
        raise ZeroDivisionError("planted")
    if "unreachable" in text:
        raise CannotRun("the service is away; next: lab status")
    if "silent" in text:
        return None
    return judged("Ana" in text, expected="Ana", seen=text.strip() or "nothing", next_step="write your name")
"""
MORE = """

def check_claim_{0}(work: Work) -> Finding:
    \"\"\"One more claim.\"\"\"
    return judged("Ana" in work.text("hello.txt"), expected="Ana", seen="nobody", next_step="write your name")
"""
TEXT = """# 00. Say hello

## Question

What? See [the checks](check_say_hello.py).

## Why

![A picture](../images/00-hello.svg)

## Predict

```sh
. .venv/bin/activate
lab start 00
```

## Do

<!-- edit: hello.txt -->

```sh
lab search "status:500" --last 5m
```

## Expect

## Check

<!-- fails -->
```sh
lab check 00
```

## Clean up

```sh
lab down
```

## Next

`lab progress`
"""
TITLES = (
    ("Say hello", "Saluda"), ("Question", "Pregunta"), ("Why", "Por qué"), ("Predict", "Predice"), ("Do", "Haz"),
    ("Expect", "Espera"), ("Check", "Comprueba"), ("Clean up", "Recoge"), ("Next", "Sigue"),
)  # fmt: skip
MANIFEST = """
[[lab]]
slug = "00-say-hello"
title = "Say hello"
question = "Who is there?"
profile = "core"
minutes = 5
machine_minutes = 0.5
memory = 300
files = ["hello.txt"]
hints = ["Read the text once more.", "The file has one blank only.", "Say hello, then say who.",
  "As often as TIMES says."]
ports = [300, 309]
[lab.numbers]
TIMES = [2, 5]
[lab.fails]
"the file says hello" = "0 times"
"the file names the student" = "TODO"
"claim 3" = "nobody"
"claim 4" = "nobody"
"claim 5" = "nobody"
"claim 6" = "nobody"
"""


def write_example(root: Path) -> Home:
    """Write a course of one lab under `root`; return the project folder that it is."""
    folder = root / "labs" / SLUG
    for path, text in {
        root / "labs" / "labs.toml": MANIFEST,
        root / "labs" / "images" / "00-hello.svg": "<svg/>",
        folder / "README.md": TEXT,
        folder / "README.es.md": spanish(TEXT),
        folder / "check_say_hello.py": CHECKS + "".join(MORE.format(number) for number in range(3, 7)),
        folder / "starter" / "hello.txt": "# TODO: greet\n",
        folder / "starter" / "given.txt": "port 18080\n",
        folder / "solution" / "hello.txt": "hello hello hello\nAna says so\n",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Home(root, root / ".lab")


def spanish(text: str) -> str:
    for english, translated in TITLES:
        text = text.replace(f"# {english}\n", f"# {translated}\n").replace(f". {english}\n", f". {translated}\n")
    return text


def read_example(home: Home) -> tuple[Course, Lab]:
    course = read_course(home)
    return course, course.labs[0]


def change(path: Path, old: str, new: str) -> None:
    """Replace what has to be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {path}"
    path.write_text(text.replace(old, new), encoding="utf-8")
