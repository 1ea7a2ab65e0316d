"""The source of a notebook: one object for the running stack, for recording it, and for playing the record."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import httpx

from labkit.errors import CannotRun
from labkit.home import Home, find_home
from labkit.logs.opening import open_store
from labkit.logs.sqlite import SqliteLogs
from labkit.logs.store import LogStore
from labkit.report.history import find_run
from labkit.report.run_folder import read_facts
from labkit.urls import Urls, discover
from notebooks.source import http
from notebooks.source.kafka import Kafka, LiveKafka, RecordingKafka, ReplayedKafka
from notebooks.source.tape import Tape

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
RECORD_TO = "LAB_NOTEBOOK_RECORD"
"""Names the folder of samples that a live notebook writes; `python -m notebooks.record` sets it."""
SOURCE = "LAB_NOTEBOOK_SOURCE"
"""live or recorded; without it live when a stack is up."""


class Source(Protocol):
    """Where a notebook's answers come from; printed, it says what it is."""

    @property
    def key(self) -> str:
        """The API key, for what stores data."""
        ...

    @property
    def run(self) -> Path:
        """The folder of the newest load run."""
        ...

    @property
    def window(self) -> tuple[float, float]:
        """Begin and end of that run, in epoch seconds."""
        ...

    def api(self) -> httpx.Client: ...

    def prometheus(self) -> httpx.Client: ...

    def kafka(self, partitions: int) -> Kafka: ...

    def logs(self) -> LogStore: ...


def open_source(notebook: str, environ: Mapping[str, str] = os.environ) -> Source:
    """Return the stack that is up here; when none is, the samples of this notebook. Raises CannotRun.

    LAB_NOTEBOOK_SOURCE=live or recorded decides otherwise.
    """
    wanted = environ.get(SOURCE, "")
    if wanted not in ("", "live", "recorded"):
        raise CannotRun(f"{SOURCE}={wanted}: there are live and recorded; next: choose one, or leave it out")
    if wanted != "recorded":
        try:
            urls = discover(environ)
        except CannotRun:
            if wanted == "live":
                raise
        else:
            place = environ.get(RECORD_TO)
            return Live(urls, find_home(environ), Path(place) / notebook if place else None)
    return Recorded(SAMPLES / notebook)


@dataclass(frozen=True)
class Live:
    """The stack that is up, or the one that LAB_SERVICE_URL names; what it says goes to `samples`, if that is given."""

    urls: Urls
    home: Home
    samples: Path | None = None

    def __str__(self) -> str:
        return f"live: {self.urls.service} ({self.urls.engine}), asked now"

    @property
    def key(self) -> str:
        return self.urls.api_key() or ""

    @property
    def run(self) -> Path:
        return find_run(None, self.home.runs)

    @property
    def window(self) -> tuple[float, float]:
        return _window(self.run)

    def api(self) -> httpx.Client:
        return self._client(self.urls.service, "api.json")

    def prometheus(self) -> httpx.Client:
        return self._client(_there(self.urls.prometheus, "Prometheus"), "prometheus.json")

    def kafka(self, partitions: int) -> Kafka:
        real = LiveKafka(_there(self.urls.kafka, "Kafka"), partitions)
        return RecordingKafka(real, Tape.blank(self.samples / "kafka.json")) if self.samples else real

    def logs(self) -> LogStore:
        return open_store(_there(self.urls.logs, "store of logs"))

    def _client(self, url: str, file: str) -> httpx.Client:
        return http.recording(url, Tape.blank(self.samples / file)) if self.samples else http.live(url)


@dataclass(frozen=True)
class Recorded:
    """What a real stack once said; nothing has to run."""

    folder: Path

    def __str__(self) -> str:
        made = json.loads((self.folder / "recorded.json").read_text(encoding="utf-8"))["at"]
        day = datetime.fromtimestamp(made, tz=UTC).date().isoformat()
        return f"recorded: notebooks/samples/{self.folder.name}, from a real stack on {day} (no stack is up; lab up)"

    @property
    def key(self) -> str:
        return "recorded"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def window(self) -> tuple[float, float]:
        return _window(self.run)

    def api(self) -> httpx.Client:
        return http.replayed(Tape.read(self.folder / "api.json"))

    def prometheus(self) -> httpx.Client:
        return http.replayed(Tape.read(self.folder / "prometheus.json"))

    def kafka(self, partitions: int) -> Kafka:  # noqa: ARG002  (as many as the recorded topic has)
        return ReplayedKafka(Tape.read(self.folder / "kafka.json"))

    def logs(self) -> LogStore:
        return SqliteLogs(self.folder / "logs")


def _window(run: Path) -> tuple[float, float]:
    facts = read_facts(run)
    return facts.started, facts.ended


def _there(address: str | None, what: str) -> str:
    if not address:
        raise CannotRun(f"this stack has no {what}; next: lab down, then lab up without --profile")
    return address
