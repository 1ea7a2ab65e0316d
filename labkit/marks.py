"""What happened when: starts and ends of runs, faults, scaling; one JSON line each in the state folder."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from labkit.home import Home

Kind = Literal["run-start", "run-end", "fault", "change"]


@dataclass(frozen=True)
class Mark:
    """One event on the time line; `time` in epoch seconds, `text` for people, `run` the id of the run it belongs to."""

    time: float
    kind: Kind
    text: str
    run: str = ""


def add_mark(home: Home, kind: Kind, text: str, run: str = "", at: float | None = None) -> Mark:
    """Append a mark (of this moment unless `at` is given); one write, so that several processes may do so."""
    mark = Mark(time.time() if at is None else at, kind, text, run)
    path = _file(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:
        file.write(json.dumps(asdict(mark)).encode() + b"\n")
    return mark


def marks(home: Home, start: float, end: float) -> Iterator[Mark]:
    """Yield the marks of that time (epoch seconds), in the order of the file; a torn line is passed over."""
    try:
        lines = _file(home).read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            mark = Mark(**json.loads(line))
        except (ValueError, TypeError):
            continue
        if start <= mark.time <= end:
            yield mark


def _file(home: Home) -> Path:
    return home.data / "marks.jsonl"
