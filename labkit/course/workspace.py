"""A student's folder of a lab: the starter's files, copied once, and the student's own numbers."""

import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from labkit.course.manifest import Lab
from labkit.course.student import Student
from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.ports import DEFAULT_BASE, SPAN

NUMBERS = "task.env"


def work_folder(home: Home, environ: Mapping[str, str]) -> Path:
    """Return the folder of all of a student's work: `work` in the project unless LAB_WORK names another."""
    named = environ.get("LAB_WORK", "")
    return Path(named).expanduser().absolute() if named else home.root / "work"


def lab_folder(lab: Lab, work: Path) -> Path:
    return work / lab.slug


def started_folder(lab: Lab, work: Path) -> Path:
    """Return the folder of a lab that was started. Raises CannotRun for one that was not."""
    folder = lab_folder(lab, work)
    if not folder.is_dir():
        raise CannotRun(f"lab {lab.number} has not been started ({folder} is not there); next: lab start {lab.number}")
    return folder


def lay_out(lab: Lab, work: Path, base: int, *, fresh: bool) -> tuple[Path, Path | None]:
    """Copy the starter's files that are not there yet; return the folder, and where `fresh` has put the old one.

    Raises CannotRun when the folder cannot be made.
    """
    folder, aside = lab_folder(lab, work), None
    if fresh and folder.is_dir():
        aside = _free_name(folder.with_name(f"{folder.name}.{time.strftime('%Y%m%d-%H%M%S')}"))
        folder.rename(aside)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotRun(f"{folder} cannot be made ({error.strerror}); next: move away what is there") from error
    copy_files(lab.starter, folder, base, replace=False)
    return folder, aside


def copy_files(source: Path, target: Path, base: int, *, replace: bool) -> list[Path]:
    """Copy a folder's files, their ports moved to `base`; return what was written, relative to `target`."""
    written = []
    for file in sorted(source.rglob("*")):
        name = file.relative_to(source)
        place = target / name
        if file.is_dir() or "__pycache__" in name.parts or (place.exists() and not replace):
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(moved(file.read_text(encoding="utf-8"), base), encoding="utf-8")
        shutil.copymode(file, place)
        written.append(name)
    return written


def _free_name(path: Path) -> Path:
    """Return the path, with a number when it is taken."""
    names = (path, *(path.with_name(f"{path.name}-{number}") for number in range(2, 100)))
    return next(name for name in names if not name.exists())


def moved(text: str, base: int, source: int = DEFAULT_BASE) -> str:
    """Return a text in which every port of one base (18000 to 18399 by default) is that of another."""
    if base == source:
        return text
    low, high = source, source + SPAN

    def port(found: re.Match[str]) -> str:
        number = int(found[0])
        return str(number - source + base) if low <= number < high else found[0]

    return re.sub(r"\b[1-9]\d{3,4}\b", port, text)


def write_numbers(lab: Lab, folder: Path, student: Student) -> None:
    """Write the student's numbers of a lab as lines that a shell reads: `. work/NN-…/task.env`."""
    numbers = student.numbers(lab)
    if numbers:
        lines = "".join(f"{name}={number}\n" for name, number in numbers.items())
        (folder / NUMBERS).write_text(f"# The numbers of {student.name}\n{lines}", encoding="utf-8")
