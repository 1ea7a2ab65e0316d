"""Who works here: a name, and the numbers that only this student gets."""

import getpass
import hashlib
import tomllib
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from labkit.course.manifest import Lab
from labkit.errors import CannotRun
from labkit.stack.record import write_whole

LONGEST_NAME = 80


@dataclass(frozen=True)
class Student:
    """A student; the same name draws the same numbers on every machine."""

    name: str

    def number(self, label: str, low: int, high: int) -> int:
        """Return this student's number of that label, `low` and `high` included."""
        digest = hashlib.sha256(f"{self.name}\0{label}".encode()).digest()
        return low + int.from_bytes(digest[:8], "big") % (high - low + 1)

    def numbers(self, lab: Lab) -> dict[str, int]:
        """Return the numbers of a lab by their names."""
        return {name: self.number(f"{lab.slug}/{name}", low, high) for name, (low, high) in lab.numbers.items()}


def read_student(work: Path, user: Callable[[], str] = getpass.getuser) -> Student:
    """Return who works in this folder: the name kept there, else the user of this machine.

    Raises CannotRun for a file that is broken or whose name could not have been given.
    """
    try:
        name = tomllib.loads(_file(work).read_text(encoding="utf-8"))["name"]
    except FileNotFoundError:
        return Student(_name_of(user))
    except (OSError, ValueError, KeyError) as error:
        why = f"no {error}" if isinstance(error, KeyError) else error
        raise CannotRun(f"{_file(work)} cannot be read ({why}); next: lab start 00 --name YOUR-NAME") from error
    if not isinstance(name, str):
        raise CannotRun(f"{_file(work)}: {name!r} is no name; next: lab start 00 --name YOUR-NAME")
    return Student(plain_name(name))


def plain_name(name: str) -> str:
    """Return a name as it is kept: the same on every machine, however its accents and spaces were typed.

    Raises CannotRun for one that is empty, too long or not printable.
    """
    plain = " ".join(unicodedata.normalize("NFC", name).split())
    if not plain or len(plain) > LONGEST_NAME or not plain.isprintable():
        raise CannotRun(f"a name has 1 to {LONGEST_NAME} printable characters, not {name!r}; next: --name 'Ana Pérez'")
    return plain


def keep_student(work: Path, name: str) -> Student:
    """Keep the name. Raises CannotRun for one that is empty, too long or not printable."""
    plain = plain_name(name)
    _file(work).parent.mkdir(parents=True, exist_ok=True)
    quoted = plain.replace("\\", "\\\\").replace('"', '\\"')
    write_whole(_file(work), f'name = "{quoted}"\n')
    return Student(plain)


def _name_of(user: Callable[[], str]) -> str:
    try:
        return plain_name(user())
    except (OSError, KeyError, ImportError, CannotRun):  # a container's user may have a number and no name
        return "student"


def _file(work: Path) -> Path:
    return work / ".course" / "student.toml"
