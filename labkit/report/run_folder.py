"""A run's folder as typed values: what the load generator wrote, read back."""

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from labkit.errors import CannotRun
from labkit.loadgen.recorder import JOB

T = TypeVar("T")


class Failure(msgspec.Struct, frozen=True):
    """One kind of failed request: `example` is one such failure as the client saw it (free text of the peer)."""

    kind: str
    count: int
    example: str = ""


class Entry(msgspec.Struct, frozen=True):
    """All requests of one method and route template, or all jobs (method JOB, by outcome instead of status).

    The histograms are HdrHistogram V2 in base64, microseconds.
    """

    method: str
    name: str
    sent: int
    ok: int
    failed: int
    statuses: dict[str, int]
    errors: tuple[Failure, ...] = ()
    service_time: str | None = None
    response_time: str | None = None


class Second(msgspec.Struct, frozen=True):
    """One second of the run; `t` in epoch seconds, `offered` counts the intended starts that fall in it.

    `follow_ups` are those of `sent` that no schedule intended, such as questions after a job.
    """

    t: float
    offered: float = 0
    sent: int = 0
    follow_ups: int = 0
    jobs_accepted: int = 0
    jobs_answered: int = 0
    done: int = 0
    failed: int = 0
    statuses: dict[str, int] = {}
    busy: float | None = None
    service_time: str | None = None
    response_time: str | None = None


class CpuSample(msgspec.Struct, frozen=True):
    t: float
    pid: int
    percent: float


class Generator(msgspec.Struct, frozen=True):
    """The generator's own health. `achieved` is sent on schedule / intended; None in a closed loop."""

    sent: int
    intended: int | None = None
    achieved: float | None = None
    saturated: bool = False
    reasons: tuple[str, ...] = ()
    left_out: str = ""
    request_ids: str = ""
    max_cpu_percent: float | None = None
    cpu: tuple[CpuSample, ...] = ()


class Sample(msgspec.Struct, frozen=True):
    name: str
    value: float
    labels: dict[str, str] = {}


class Scrape(msgspec.Struct, frozen=True):
    """The counters of one replica at one moment; `error` says why there are none."""

    t: float | None = None
    samples: tuple[Sample, ...] = ()
    error: str | None = None


class Counters(msgspec.Struct, frozen=True):
    """Each replica's counters before the first and after the last request, keyed by its metrics URL."""

    before: dict[str, Scrape] = {}
    after: dict[str, Scrape] = {}


class Offsets(msgspec.Struct, frozen=True):
    """Kafka's offsets and the workers' counters at one moment; `error` says why there are no offsets."""

    t: float = 0.0
    ends: dict[str, dict[str, int]] = {}
    committed: dict[str, int] = {}
    error: str | None = None
    workers: dict[str, Scrape] = {}

    @property
    def backlog(self) -> int:
        """Jobs in the log that the workers have not committed."""
        return sum(end - max(self.committed.get(part, 0), 0) for part, end in self.ends.get("jobs", {}).items())


class Queue(msgspec.Struct, frozen=True):
    before: Offsets
    after: Offsets


class Logged(msgspec.Struct, frozen=True):
    """`n` log records of the run that are alike; `replied` is the replica's status where `status` is the edge's."""

    method: str
    route: str
    status: str
    n: int
    host: str = ""
    replied: str = ""


class Readings(msgspec.Struct, frozen=True):
    """Counters of all senders of log records and of the collector; `moving`: records sent while they were read."""

    senders: dict[str, Scrape] = {}
    collector: dict[str, Scrape] = {}
    moving: int = 0


class Logs(msgspec.Struct, frozen=True):
    """The run's log records as the store had them after it; `problem` says why they are not known.

    `waiting`: records that the collector had not written yet when the store was asked.
    `requests` are the replicas' access records, `edge` the edge's, `jobs` the workers' by outcome.
    `edge_alone`: bad answers of the edge of which no replica has a record; `edge_changed`: those to which a replica
    had replied otherwise. `twice`: the records beyond one of each request, which the edge sent to another replica after
    the first one had broken off.
    """

    store: str
    begins: str = ""
    problem: str = ""
    waited_s: float = 0.0
    waiting: int = 0
    requests: tuple[Logged, ...] = ()
    edge: tuple[Logged, ...] = ()
    jobs: dict[str, int] = {}
    edge_alone: tuple[Logged, ...] = ()
    edge_changed: tuple[Logged, ...] = ()
    twice: tuple[Logged, ...] = ()
    before: Readings = Readings()
    after: Readings = Readings()


class Facts(msgspec.Struct, frozen=True):
    """What was run (run.json); `started` and `ended` in epoch seconds."""

    id: str
    started: float
    ended: float
    mode: str
    scenario: dict[str, Any] = {}
    slo: dict[str, Any] = {}
    host: str = ""
    edge: str = "unknown"
    seed: int | None = None
    users: int | None = None
    processes: int | None = None
    argv: tuple[str, ...] = ()
    versions: dict[str, str] = {}
    urls: dict[str, Any] = {}
    interrupted: bool = False

    @property
    def scenario_name(self) -> str:
        return str(self.scenario.get("name") or "unnamed")


class _Requests(msgspec.Struct, frozen=True):
    unit: str
    entries: tuple[Entry, ...]


class Run(msgspec.Struct, frozen=True):
    """One finished run; `counters` is None when no replica was scraped, `queue` when there was no Kafka, `logs` when no
    store of logs.

    `entries` are its requests, `jobs` what became of the jobs that some of them handed in.
    """

    folder: Path
    facts: Facts
    entries: tuple[Entry, ...]
    timeline: tuple[Second, ...]
    generator: Generator
    counters: Counters | None
    jobs: Entry | None = None
    queue: Queue | None = None
    logs: Logs | None = None

    @property
    def schedule_s(self) -> float:
        """Seconds over which requests were intended: the schedule ends before the last answer does."""
        planned = self.facts.scenario.get("duration")
        if isinstance(planned, int | float) and planned > 0 and not self.facts.interrupted:
            return float(planned)
        offered_until = max((second.t + 1 for second in self.timeline if second.offered), default=self.facts.ended)
        return max(min(offered_until, self.facts.ended) - self.facts.started, 1e-9)


def read_run(folder: Path) -> Run:
    """Read a run folder. Raises CannotRun that names the file which is missing or unreadable."""
    requests = _read(folder / "requests.json", _Requests)
    if requests.unit != "us":
        raise CannotRun(f"{folder / 'requests.json'}: unit is {requests.unit!r}, this report reads 'us' only")
    has_counters = (folder / "counters.json").exists()
    has_queue = (folder / "queue.json").exists()
    has_logs = (folder / "logs.json").exists()
    return Run(
        folder=folder,
        facts=_read(folder / "run.json", Facts),
        entries=tuple(entry for entry in requests.entries if entry.method != JOB),
        timeline=_read_lines(folder / "timeline.jsonl"),
        generator=_read(folder / "generator.json", Generator),
        counters=_read(folder / "counters.json", Counters) if has_counters else None,
        jobs=next((entry for entry in requests.entries if entry.method == JOB), None),
        queue=_read(folder / "queue.json", Queue) if has_queue else None,
        logs=_read(folder / "logs.json", Logs) if has_logs else None,
    )


def read_facts(folder: Path) -> Facts:
    """Read only run.json: enough to list a run."""
    return _read(folder / "run.json", Facts)


def _read(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError) as error:
        raise _unreadable(path, error) from error


def _read_lines(path: Path) -> tuple[Second, ...]:
    try:
        lines = msgspec.json.Decoder(Second).decode_lines(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise _unreadable(path, error) from error
    return tuple(sorted(lines, key=lambda second: second.t))


def _unreadable(path: Path, error: Exception) -> CannotRun:
    what = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
    return CannotRun(f"{path} {what}; the run did not finish or is damaged: start it again with lab load")
