"""What a lab's check is given: the student's folder and numbers, and where the running system is."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from labkit.course.manifest import Lab
from labkit.errors import CannotRun
from labkit.home import Home
from labkit.urls import Urls


@dataclass(frozen=True)
class Work:
    """A student's work on one lab beside the stack that runs."""

    lab: Lab
    folder: Path
    """work/NN-…: the student's files."""
    numbers: Mapping[str, int]
    """The student's own numbers, by the names in the manifest."""
    urls: Urls
    home: Home
    base: int
    """The port base of the running stack."""

    def text(self, name: str) -> str:
        """Return a file of the student's, "" when it is not there or not UTF-8."""
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return ""

    def port(self, offset: int) -> int:
        return self.base + offset

    @property
    def prometheus(self) -> str:
        """The address of the stack's Prometheus. Raises CannotRun when there is none."""
        if self.urls.prometheus is None:
            raise CannotRun(f"this stack has no Prometheus; next: lab down, then lab start {self.lab.number}")
        return self.urls.prometheus

    @property
    def shown(self) -> str:
        """The folder as a student types it."""
        try:
            return str(self.folder.relative_to(self.home.root))
        except ValueError:
            return str(self.folder)
