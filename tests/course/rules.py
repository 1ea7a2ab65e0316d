"""What every lab promises before anything runs: its files, its texts, its entry in the manifest.

A rule is a function that takes a lab and yields its faults in words.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations
from pathlib import Path

from labkit.course.manifest import Course, Lab
from labkit.course.plugin import spoken
from labkit.stack.ports import DEFAULT_BASE, SPAN
from tests.course.lab_words import unknown_words
from tests.course.text import Commands, Edit, marks, prose, sections, steps

Rule = Callable[[Lab], Iterator[str]]
TEXTS = {
    "README.md": ("Question", "Why", "Predict", "Do", "Expect", "Check", "Clean up", "Next"),
    "README.es.md": ("Pregunta", "Por qué", "Predice", "Haz", "Espera", "Comprueba", "Recoge", "Sigue"),
}
CHECK_AND_CLEAN_UP = (5, 6)
LONGEST_TEXT = 200
FEWEST_HINTS = 4
CHECKS = range(6, 10)
CHECKS_IN_ALL = 40
MOST_MEMORY = 6000
STUDENTS_PORTS = range(300, SPAN)
LINK = re.compile(r"!?\[[^]]*\]\((?!https?:|#)([^)\s#]+)[^)]*\)")
IMAGE = re.compile(r"!\[[^]]*\]\(([^)\s]+)[^)]*\)")


def folder_is_complete(lab: Lab) -> Iterator[str]:
    wanted = (*(lab.folder / name for name in TEXTS), lab.check_file, lab.starter, lab.solution)
    yield from (f"{path.relative_to(lab.folder)} is missing" for path in wanted if not path.exists())


def nothing_is_left_lying_about(lab: Lab) -> Iterator[str]:
    for path in _files(lab.folder):
        inside = path.relative_to(lab.folder)
        if str(inside) not in (*TEXTS, lab.check_file.name) and inside.parts[0] not in ("starter", "solution"):
            yield f"{inside} belongs nowhere"
    for path in _files(lab.solution):
        if str(path.relative_to(lab.solution)) not in lab.files:
            yield f"solution/{path.relative_to(lab.solution)} is not among the manifest's files"


def students_files_are_there_twice(lab: Lab) -> Iterator[str]:
    if not lab.files:
        yield "the manifest lists no files that the student changes"
    for file in lab.files:
        for folder, begun in ((lab.starter, True), (lab.solution, False)):
            text = _text(folder / file)
            if text is None:
                yield f"{folder.name}/{file} is missing"
            elif ("TODO" in text) is not begun:
                yield f"{folder.name}/{file} has {'no' if begun else 'a'} TODO"


def hints_help_without_giving_all(lab: Lab) -> Iterator[str]:
    if len(lab.hints) < FEWEST_HINTS:
        yield f"{len(lab.hints)} hints, at least {FEWEST_HINTS} are promised"
    new = {file: _new_lines(lab, file) for file in lab.files}
    for number, hint in enumerate(lab.hints, 1):
        if len(hint.split()) < 5:
            yield f"hint {number} says nothing: {hint!r}"
        plain = " ".join(hint.split())
        for file, lines in new.items():
            if lines and all(line in plain for line in lines):
                yield f"hint {number} holds the whole solution of {file}"


def manifest_states_a_reason_for_each_check(lab: Lab) -> Iterator[str]:
    text = _text(lab.check_file)
    if text is None:
        return
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    checks = [node for node in functions if node.name.startswith("check_")]
    names = [spoken(node.name) for node in checks]
    if names != list(lab.fails):
        yield f"[lab.fails] has {list(lab.fails)}, {lab.check_file.name} has {names}"
    if len(checks) not in CHECKS:
        yield f"{len(checks)} checks, {CHECKS.start} to {CHECKS.stop - 1} are promised"
    yield from (f"{node.name} does not say its claim" for node in checks if not ast.get_docstring(node))
    for name, reason in lab.fails.items():
        if not reason.strip() or re.search(reason, ""):
            yield f"the reason {reason!r} for {name!r} fits every message"


def figures_are_possible(lab: Lab) -> Iterator[str]:
    if not 0 < lab.machine_minutes <= lab.minutes:
        yield f"{lab.machine_minutes} minutes of the machine's in {lab.minutes} minutes"
    if not 0 < lab.memory <= MOST_MEMORY:
        yield f"{lab.memory} MB of memory; a laptop of 8 GB has at most {MOST_MEMORY} to spare"
    if not lab.numbers:
        yield "no number of the student's own: all answers would be the same"
    yield from (f"{name} = [{low}, {high}] is one number" for name, (low, high) in lab.numbers.items() if low >= high)
    if not (lab.title.strip() and "?" in lab.question):
        yield "the title is empty, or the question asks nothing"


def ports_are_its_own(lab: Lab) -> Iterator[str]:
    first, last = lab.ports or (STUDENTS_PORTS.start, STUDENTS_PORTS.start - 1)
    if lab.ports and not (STUDENTS_PORTS.start <= first <= last < STUDENTS_PORTS.stop):
        yield f"ports [{first}, {last}] are not inside {STUDENTS_PORTS.start} to {STUDENTS_PORTS.stop - 1}"
    texts = [lab.folder / name for name in TEXTS]
    for path in (*texts, *_files(lab.starter), *_files(lab.solution)):
        for port in re.findall(r"\b(18[3-9]\d\d)\b", _text(path) or ""):
            if not first <= int(port) - DEFAULT_BASE <= last:
                yield f"{path.relative_to(lab.folder)} names port {port}, the lab has {first} to {last}"


def texts_have_their_sections(lab: Lab) -> Iterator[str]:
    for name, wanted in TEXTS.items():
        text = _text(lab.folder / name) or ""
        if len(text.splitlines()) > LONGEST_TEXT:
            yield f"{name} has {len(text.splitlines())} lines, at most {LONGEST_TEXT} are promised"
        if tuple(sections(text)) != wanted:
            yield f"{name} has the sections {', '.join(sections(text)) or 'none'}; promised: {', '.join(wanted)}"
        first, number = text.partition("\n")[0], f"# {lab.number}. "
        heading = number + (lab.title if name == "README.md" else "…")
        if first != heading if name == "README.md" else not first.removeprefix(number).strip() or number not in first:
            yield f"{name} begins with {first!r}, not with {heading!r}"


def both_languages_say_the_same(lab: Lab) -> Iterator[str]:
    english, spanish = (_text(lab.folder / name) or "" for name in TEXTS)
    for what, read in (("sh blocks", _scripts), ("marks", marks), ("pictures", IMAGE.findall)):
        if read(english) != read(spanish):
            yield f"README.es.md has other {what} than README.md: {_first_difference(read(english), read(spanish))}"


def links_lead_somewhere(lab: Lab) -> Iterator[str]:
    for name in TEXTS:
        for link in LINK.findall(prose(_text(lab.folder / name) or "")):
            if not (lab.folder / link).exists():
                yield f"{name}: {link} is not there"


def text_starts_checks_and_cleans_up(lab: Lab) -> Iterator[str]:
    for name, titles in TEXTS.items():
        text = _text(lab.folder / name) or ""
        first = next((step.script.splitlines() for step in steps(text) if isinstance(step, Commands)), [])
        started = first[1].split()[:3] if len(first) > 1 else []
        if first[:1] != [". .venv/bin/activate"] or started != ["lab", "start", lab.number]:
            yield f"{name}: the first commands are {first}, not `. .venv/bin/activate` and `lab start {lab.number}`"
        said = sections(text)
        for place, command in zip(CHECK_AND_CLEAN_UP, (f"lab check {lab.number}", "lab down"), strict=True):
            if command not in "\n".join(_scripts(said.get(titles[place], ""))).splitlines():
                yield f"{name}: the section {titles[place]} does not run `{command}`"


def students_edits_are_marked(lab: Lab) -> Iterator[str]:
    edited = {file for step in steps(_text(lab.text) or "") if isinstance(step, Edit) for file in step.files}
    yield from (f"README.md never says when to edit {file}" for file in sorted(set(lab.files) - edited))
    yield from (f"README.md edits {file}, which the manifest does not list" for file in sorted(edited - set(lab.files)))


def commands_exist(lab: Lab) -> Iterator[str]:
    sources = {name: _text(lab.folder / name) or "" for name in TEXTS}
    sources |= {f"hint {number}": hint for number, hint in enumerate(lab.hints, 1)}
    for name, text in sources.items():
        yield from (f"{name}: {fault}" for fault in unknown_words(text))


RULES: tuple[Rule, ...] = (
    folder_is_complete,
    nothing_is_left_lying_about,
    students_files_are_there_twice,
    hints_help_without_giving_all,
    manifest_states_a_reason_for_each_check,
    figures_are_possible,
    ports_are_its_own,
    texts_have_their_sections,
    both_languages_say_the_same,
    links_lead_somewhere,
    text_starts_checks_and_cleans_up,
    students_edits_are_marked,
    commands_exist,
)


def faults_of_the_course(course: Course, folder: Path) -> Iterator[str]:
    """Yield what is wrong with the labs as a whole; `folder` is the one that holds them."""
    slugs = [lab.slug for lab in course.labs]
    if slugs != sorted(set(slugs)) or len({lab.number for lab in course.labs}) < len(slugs):
        yield f"labs.toml: the labs are not in the order of their numbers, each once: {', '.join(slugs)}"
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name not in (*slugs, "images", "__pycache__"):
            yield f"{path.name} has no entry in labs.toml"
    for one, other in combinations([lab for lab in course.labs if lab.ports], 2):
        (first, last), (begin, end) = one.ports or (0, -1), other.ports or (0, -1)
        if first <= end and begin <= last:
            yield f"{one.slug} and {other.slug} share ports"
    total = sum(len(lab.fails) for lab in course.labs)
    if total < CHECKS_IN_ALL:
        yield f"{total} checks in all labs, at least {CHECKS_IN_ALL} are promised"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _new_lines(lab: Lab, file: str) -> list[str]:
    """Return the lines of a solution that the starter does not have, without comments and blanks."""
    known = {line.strip() for line in (_text(lab.starter / file) or "").splitlines()}
    lines = [" ".join(line.split()) for line in (_text(lab.solution / file) or "").splitlines()]
    return [line for line in lines if line and line not in known and not line.startswith("#")]


def _scripts(text: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def _first_difference(one: Iterable[str], other: Iterable[str]) -> str:
    left, right = list(one), list(other)
    for mine, theirs in zip(left, right, strict=False):
        if mine != theirs:
            return f"{mine!r} and {theirs!r}"
    return f"{len(left)} and {len(right)}"
