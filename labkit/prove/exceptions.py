"""grafana/exceptions.toml: which panels and alerts are no ordinary ones, and why."""

from pathlib import Path

import msgspec

from labkit.errors import CannotRun
from labkit.loadgen.toml_file import read_toml
from labkit.prove.verdict import STILL, Kind

NEXT = "next: correct it there"
ALERTS = "alerts"
"""Stands where panels have the uid of their dashboard."""

Name = tuple[str, str, str]


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Panels of one dashboard (uid and titles; `targets` narrows them to those refIds) or alerts, and the reason.

    `within` and `amount`: how far a steady value may wander, as a share of it or in its own unit. `together`: the
    questions of the panel are parts of one whole, of which some may be zero. `empty`: an exception without data.
    """

    reason: str
    uid: str = ""
    panels: list[str] = []
    targets: list[str] = []
    alerts: list[str] = []
    within: float = STILL
    amount: float = 0.0
    together: bool = False
    empty: bool = False

    def names(self) -> list[Name]:
        about = [(ALERTS, alert) for alert in self.alerts] + [(self.uid, panel) for panel in self.panels]
        return [(*name, target) for name in about for target in (self.targets or [""])]


class Exceptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is not simply to follow the load, by kind; an `exception` is not judged on moving."""

    responds: list[Entry] = []
    steady: list[Entry] = []
    grows: list[Entry] = []
    exception: list[Entry] = []

    def by_name(self) -> dict[Name, tuple[Kind, Entry]]:
        """Return all entries by what they are about: dashboard (or alerts), title, target ("": all targets)."""
        kinds: tuple[tuple[Kind, list[Entry]], ...] = (
            ("responds", self.responds),
            ("steady", self.steady),
            ("grows", self.grows),
            ("exception", self.exception),
        )
        return {name: (kind, entry) for kind, entries in kinds for entry in entries for name in entry.names()}


def read_exceptions(path: Path) -> Exceptions:
    """Read the file; none is no exceptions. Raises CannotRun that names the entry and what is wrong with it."""
    if not path.is_file():
        return Exceptions()
    found = read_toml(path, Exceptions)
    entries = [*found.responds, *found.steady, *found.grows, *found.exception]
    for entry in entries:
        about = ", ".join((*entry.panels, *entry.alerts)) or entry.uid
        if not entry.names() or bool(entry.uid) != bool(entry.panels):
            raise CannotRun(f"{path}: {about or entry.reason!r}: give uid and panels, or alerts; {NEXT}")
        if len(entry.reason.split()) < 3:
            raise CannotRun(f"{path}: {about}: reason = {entry.reason!r} says too little; {NEXT}")
        if entry.empty and entry not in found.exception:
            raise CannotRun(f"{path}: {about}: only an [[exception]] may be empty; {NEXT}")
    names = [name for entry in entries for name in entry.names()]
    if twice := sorted({written(name) for name in names if names.count(name) > 1}):
        raise CannotRun(f"{path}: {', '.join(twice)}: stands there twice; {NEXT}")
    return found


def written(name: Name) -> str:
    """Return how a name is shown."""
    of, title, target = name
    return f"{of}: {title}{target and f' ({target})'}"
