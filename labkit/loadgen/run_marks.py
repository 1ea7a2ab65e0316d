"""The start and the end of a run on the lab's time line and, when there is one, on Grafana's."""

import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from labkit.home import Home
from labkit.loadgen.annotations import Annotation
from labkit.marks import Kind, add_mark


class RunMarks:
    """Marks one run. Where they cannot be written a line on stderr says so, and the run goes on."""

    def __init__(self, home: Home, folder: Path, scenario: str, grafana: str | None) -> None:
        self._home = home
        self._folder = folder
        self._scenario = scenario
        self._annotation = Annotation(grafana, ("load", scenario, folder.name))
        self._started = 0.0

    def start(self) -> None:
        self._started = time.time()
        self._mark("run-start", f"load {self._scenario} starts", self._started)
        self._annotation.start(f"load {self._scenario}", self._started)

    def end(self) -> None:
        """Mark the moment of the last answer; of a run that measured nothing, this one."""
        ended, how = time.time(), "measured nothing"
        try:
            facts: dict[str, Any] = msgspec.json.decode((self._folder / "generator.json").read_bytes())
        except (OSError, msgspec.DecodeError):
            pass
        else:
            self._started, ended = facts["started"], facts["ended"]
            how = f"{'was interrupted' if facts['interrupted'] else 'ends'}: {facts['sent']} requests"
        text = f"load {self._scenario} {how}"
        self._mark("run-end", text, ended)
        self._annotation.end(text, self._started, ended)

    def _mark(self, kind: Kind, text: str, at: float) -> None:
        try:
            add_mark(self._home, kind, text, self._folder.name, at)
        except OSError as error:
            print(f"load: no mark of this run: {error}; next: check LAB_HOME and its permissions", file=sys.stderr)
