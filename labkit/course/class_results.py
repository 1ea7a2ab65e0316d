"""The results of a class out of the files that its students exported, and what in them asks for a second look."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal

import msgspec

from labkit.course.export import FORMAT, LabResults, SignedResults, StudentResults, course_digest, file_digests
from labkit.course.manifest import Course, Lab
from labkit.course.student import Student
from labkit.errors import CannotRun

LARGEST = 5_000_000  # bytes: a student's file has a few thousand
Kind = Literal["format", "edited", "numbers", "course", "key", "name", "copied"]


@dataclass(frozen=True)
class Flag:
    """Something about a file that a teacher should look at."""

    file: str
    kind: Kind
    says: str


@dataclass(frozen=True)
class Entry:
    """One file that could be read."""

    file: str
    public_key: str
    results: StudentResults

    @property
    def student(self) -> str:
        return self.results.student


@dataclass(frozen=True)
class ClassResults:
    """A class: of each student the newest file, and the flags of all files."""

    entries: tuple[Entry, ...]
    flags: tuple[Flag, ...]

    def flags_of(self, entry: Entry) -> list[Flag]:
        return [flag for flag in self.flags if flag.file == entry.file]


def read_class(folder: Path, course: Course) -> ClassResults:
    """Read every .json file in a folder and below. Raises CannotRun when there is none."""
    paths = sorted(path for path in folder.rglob("*.json") if path.is_file())
    if not paths:
        raise CannotRun(f"no results file (.json) in {folder}; next: students run lab export and hand in the file")
    entries, flags = [], []
    for path in paths:
        name = str(path.relative_to(folder))
        try:
            file = _read(path)
        except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors
            flags.append(Flag(name, "format", f"no results file of this course: {error}"))
            continue
        entry = Entry(name, file.public_key, file.results)
        entries.append(entry)
        if not file.genuine():
            flags.append(Flag(name, "edited", "the signature does not fit: the content was changed after the export"))
        flags += _single(entry, course)
    newest = {entry.student: entry for entry in sorted(entries, key=lambda entry: entry.results.time)}
    shown = tuple(sorted(newest.values(), key=lambda entry: entry.student.casefold()))
    return ClassResults(shown, (*flags, *_keys(entries), *_copies(shown, course)))


def _read(path: Path) -> SignedResults:
    if path.stat().st_size > LARGEST:
        raise ValueError(f"it has more than {LARGEST / 1e6:g} MB")
    file = msgspec.json.decode(path.read_bytes(), type=SignedResults)
    if file.format != FORMAT:
        raise ValueError(f"its format is {file.format!r}, this command reads {FORMAT!r}")
    return file


def _single(entry: Entry, course: Course) -> Iterator[Flag]:
    """Yield what a file says that does not fit its student's name or this course."""
    if entry.results.course != course_digest(course):
        yield Flag(
            entry.file,
            "course",
            f"judged by other checks than those here (course {entry.results.course[:8]}, "
            f"here {course_digest(course)[:8]}): an old checkout, or changed checks",
        )
    for number, lab in entry.results.labs.items():
        known = course.by_number.get(number)
        wanted = Student(entry.student).numbers(known) if known else None
        if wanted is None:
            yield Flag(entry.file, "course", f"there is no lab {number} here")
        elif lab.numbers != wanted:
            yield Flag(entry.file, "numbers", f"lab {number}: {lab.numbers} are not the numbers of {entry.student!r}")


def _keys(entries: Sequence[Entry]) -> Iterator[Flag]:
    """Yield files of one key under two names, and of one name under two keys."""
    by_key, by_name = defaultdict(set), defaultdict(set)
    for entry in entries:
        by_key[entry.public_key].add(entry.student)
        by_name[entry.student].add(entry.public_key)
    for entry in entries:
        others = sorted(by_key[entry.public_key] - {entry.student})
        if others:
            yield Flag(entry.file, "key", f"signed with the same key as the results of {', '.join(others)}")
        if len(by_name[entry.student]) > 1:
            yield Flag(entry.file, "name", f"{len(by_name[entry.student])} different keys sign as {entry.student!r}")


def _copies(entries: Sequence[Entry], course: Course) -> Iterator[Flag]:
    """Yield labs in which two students have the same files, although their numbers differ."""
    for lab in course.labs:
        starter, solution = file_digests(lab, lab.starter), file_digests(lab, lab.solution)
        there = [(entry, entry.results.labs[lab.number]) for entry in entries if lab.number in entry.results.labs]
        for (one, mine), (other, theirs) in combinations(there, 2):
            if mine.numbers != theirs.numbers and _same_work(mine, theirs, lab, starter, solution):
                for entry, second in ((one, other), (other, one)):
                    yield Flag(
                        entry.file,
                        "copied",
                        f"lab {lab.number}: every file is that of {second.student!r}, whose numbers are others",
                    )


def _same_work(
    mine: LabResults, theirs: LabResults, lab: Lab, starter: Mapping[str, str], solution: Mapping[str, str]
) -> bool:
    """Tell whether all files are the same, each of them changed, and not simply the solution that `lab solve` shows."""
    whole = set(mine.files) == set(lab.files)
    changed = all(mine.files[name] != starter.get(name) for name in mine.files)
    return whole and changed and mine.files == theirs.files and mine.files != solution
