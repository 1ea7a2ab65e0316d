"""The manifest of the course, labs/labs.toml: the single source of what each lab is, costs and asks."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.profiles import PROFILES


@dataclass(frozen=True)
class Lab:
    """One lab, as the manifest lists it."""

    slug: str
    """Its folder, `NN-verb-noun`."""
    title: str
    """A phrase that begins with a verb."""
    question: str
    """What the student can answer afterwards; `lab start` opens with it."""
    profile: str
    """What `lab up` starts for it."""
    minutes: int
    """What a student should set aside, reading and thinking included."""
    machine_minutes: float
    """What its commands take, run one after the other as printed: measured by `make course-check`."""
    memory: int
    """MB (PSS) at the most, of the stack and of what the student runs beside it: measured by `make course-check`."""
    files: tuple[str, ...]
    """What the student changes, relative to the work folder."""
    hints: tuple[str, ...]
    """Given one at a time."""
    fails: Mapping[str, str] = field(default_factory=dict)
    """For each check: what its message says about the untouched starter."""
    numbers: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Name of a number of the student's own, and the range that it is drawn from, both ends included."""
    ports: tuple[int, int] | None = None
    """First and last port of what the student runs beside the stack, as offsets from LAB_PORT_BASE."""
    root: Path = Path()
    """The folder `labs`."""

    @property
    def number(self) -> str:
        return self.slug[:2]

    @property
    def folder(self) -> Path:
        return self.root / self.slug

    @property
    def starter(self) -> Path:
        return self.folder / "starter"

    @property
    def solution(self) -> Path:
        return self.folder / "solution"

    @property
    def text(self) -> Path:
        return self.folder / "README.md"

    @property
    def check_file(self) -> Path:
        return self.folder / f"check_{self.slug[3:].replace('-', '_')}.py"


@dataclass(frozen=True)
class Course:
    """All labs, in their order."""

    labs: tuple[Lab, ...]

    @cached_property
    def by_number(self) -> Mapping[str, Lab]:
        return {lab.number: lab for lab in self.labs}

    def lab(self, asked: str) -> Lab:
        """Return a lab by its number (5, 05) or its folder's name. Raises CannotRun for one that there is not."""
        number = asked.partition("-")[0].zfill(2)
        lab = self.by_number.get(number)
        if lab is None or ("-" in asked and lab.slug != asked):
            raise CannotRun(f"there is no lab {asked!r}; there are: {', '.join(self.by_number)}; next: lab progress")
        return lab

    def after(self, lab: Lab) -> Lab | None:
        """Return the lab that comes next."""
        place = self.labs.index(lab) + 1
        return self.labs[place] if place < len(self.labs) else None


def read_course(home: Home) -> Course:
    """Read labs/labs.toml. Raises CannotRun for what cannot be read, with the entry and the field."""
    file = home.root / "labs" / "labs.toml"
    try:
        entries = tomllib.loads(file.read_text(encoding="utf-8"))["lab"]
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise CannotRun(f"{file} cannot be read ({error}); next: git checkout labs/labs.toml") from error
    return Course(tuple(_lab(entry, file) for entry in entries))


def _lab(entry: Mapping[str, Any], file: Path) -> Lab:
    known = {one.name for one in fields(Lab)} - {"root"}
    strange = sorted(set(entry) - known)
    if strange:
        raise CannotRun(f"{file}: {entry.get('slug', 'an entry')}: unknown field {strange[0]!r}")
    try:
        as_tuples: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()
        }
        lab = Lab(**as_tuples, root=file.parent)
    except TypeError as error:  # a field is missing
        raise CannotRun(f"{file}: {entry.get('slug', 'an entry')}: {error}") from error
    if lab.profile not in PROFILES:
        raise CannotRun(f"{file}: {lab.slug}: no profile {lab.profile!r}; there are: {', '.join(PROFILES)}")
    return lab
