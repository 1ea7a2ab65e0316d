"""The versions there are on disk: those that came with the project, and those trained since."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.errors import CannotRun
from labkit.home import Home

MANIFEST = "manifest.json"
_CARD = re.compile(r"([a-z0-9_-]+)/(v[1-9][0-9]*)/card\.json").fullmatch


@dataclass(frozen=True)
class Version:
    """One version; `held_out` has its metrics on data that the fit never saw, `origin` is project or retrained."""

    model: str
    version: str
    held_out: Mapping[str, float]
    origin: str
    folder: Path

    @property
    def number(self) -> int:
        return int(self.version[1:])

    @property
    def figure(self) -> str:
        """The first metric with its name, such as "accuracy 0.867"."""
        return next((f"{name} {value:.3f}" for name, value in self.held_out.items()), "-")


def project_models(home: Home) -> Path:
    return home.root / "app" / "models"


def trained_models(home: Home) -> Path:
    return home.data / "models"


def versions(home: Home) -> list[Version]:
    """Return all versions by model, then number."""
    found = [*_in_folder(trained_models(home), "retrained"), *_in_folder(project_models(home), "project")]
    # What came with the project wins over a retrained version of the same number, as in the service.
    known = {(one.model, one.version): one for one in found}
    return sorted(known.values(), key=lambda one: (one.model, one.number))


def versions_of(home: Home, model: str) -> dict[str, Version]:
    """Return the versions of a model, oldest first. Raises CannotRun for one that does not exist."""
    known = versions(home)
    found = {one.version: one for one in known if one.model == model}
    if not found:
        names = ", ".join(dict.fromkeys(one.model for one in known))
        raise CannotRun(f"no model {model!r}; there are: {names}")
    return found


def checked(known: Mapping[str, Version], version: str) -> Version:
    """Return a version whose files are as they were written. Raises CannotRun."""
    found = known.get(version)
    if found is None:
        model = next(iter(known.values())).model
        raise CannotRun(f"no version {version!r} of {model}; there are: {', '.join(known)}")
    for path, digest in _manifest(found.folder).items():
        if path.startswith(f"{found.model}/{found.version}/"):
            _check(found, path, digest)
    return found


def _check(found: Version, path: str, digest: str) -> None:
    file = found.folder / path
    if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
        again = f"lab retrain {found.model}" if found.origin == "retrained" else "git restore app/models"
        raise CannotRun(f"{path}: not the file that {MANIFEST} promises; restore it, or run: {again}")


def _in_folder(folder: Path, origin: str) -> Iterator[Version]:
    for path in _manifest(folder):
        if match := _CARD(path):
            try:
                card: dict[str, Any] = json.loads((folder / path).read_bytes())
            except (OSError, ValueError):
                card = {}  # it is there, and damaged: whoever wants to use it is told by `checked`
            yield Version(match[1], match[2], card.get("held_out", {}), origin, folder)


def _manifest(folder: Path) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise CannotRun(f"{folder / MANIFEST}: unreadable ({error}); restore it") from None
    return found
