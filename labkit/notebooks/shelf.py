"""The notebooks that there are, and a student's own copies of them."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from labkit.course.workspace import work_folder
from labkit.errors import CannotRun
from labkit.home import Home


@dataclass(frozen=True)
class Shown:
    """A notebook in the list."""

    name: str
    title: str
    question: str


def notebooks(home: Home) -> list[Path]:
    """Return the files of all notebooks, by name."""
    return sorted((home.root / "notebooks").glob("*.ipynb"))


def notebook(home: Home, name: str) -> Path:
    """Return the file of a notebook by its name. Raises CannotRun for one that there is not."""
    found = {file.stem: file for file in notebooks(home)}
    try:
        return found[name.removesuffix(".ipynb")]
    except KeyError:
        raise CannotRun(
            f"there is no notebook {name!r}; there are: {', '.join(found)}; next: lab notebook --list"
        ) from None


def shown(file: Path) -> Shown:
    """Return a notebook's title and question, both from its first cell."""
    source = json.loads(file.read_text(encoding="utf-8"))["cells"][0]["source"]
    text = source if isinstance(source, str) else "".join(source)
    question = re.search(r"\*\*Question\.\*\*\s+(.+)", text)
    return Shown(file.stem, text.splitlines()[0].lstrip("# "), question[1].strip() if question else "")


def own_copy(file: Path, home: Home, environ: Mapping[str, str]) -> Path:
    """Return the student's copy of a notebook, made when there is none: what is run and changed stays out of git."""
    place = work_folder(home, environ) / "notebooks" / file.name
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
    return place
