"""Where the project is and where its state lives."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from labkit.errors import CannotRun


@dataclass(frozen=True)
class Home:
    """The project folder (configuration, scenarios) and its state folder, `.lab` unless LAB_HOME names another."""

    root: Path
    lab: Path

    @property
    def run(self) -> Path:
        """What exists only while the stack runs: its record, urls.json, rendered configuration, temporary files."""
        return self.lab / "run"

    @property
    def data(self) -> Path:
        return self.lab / "data"

    @property
    def logs(self) -> Path:
        return self.lab / "logs"

    @property
    def secrets(self) -> Path:
        return self.lab / "secrets"

    @property
    def cache(self) -> Path:
        """Programs that were obtained; a second start needs no network."""
        return self.lab / "cache"

    @property
    def runs(self) -> Path:
        return self.lab / "runs"


def find_home(environ: Mapping[str, str] = os.environ) -> Home:
    """Find the project: the folder that holds the labkit package, else the working folder or one above it.

    Raises CannotRun when neither is the project.
    """
    here = Path.cwd()
    for folder in (Path(__file__).resolve().parent.parent, here, *here.parents):
        if (folder / "pyproject.toml").is_file() and (folder / "labkit").is_dir():
            state = environ.get("LAB_HOME", "")
            return Home(folder, Path(state).expanduser().absolute() if state else folder / ".lab")
    raise CannotRun(f"no project folder in {here} or above it; next: cd to the clone of the project")
