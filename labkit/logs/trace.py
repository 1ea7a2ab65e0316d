"""One request through the edge, the api, Kafka and a worker, on one time line."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from labkit.logs.store import LogRecord, LogStore
from labkit.logs.tree import And, Is, Or, text_of

SETTLED_S = 2.5
"""A record is in the store this long after it was written, at the latest."""
WAIT_S = 4.0
POLL_S = 0.25
MOST_RECORDS = 500
FOREVER = 1e11
PARTS = {"edge": "edge", "request": "api", "job": "worker", "feedback": "worker"}


@dataclass(frozen=True)
class Step:
    """One thing that happened: `began` in epoch seconds, `offset_ms` after the first step, `took_ms` if it took time.

    `part` is "edge", "api", "kafka", "worker" or "log"; `facts` is what else is known of it.
    """

    part: str
    who: str
    what: str
    began: float
    offset_ms: float
    took_ms: float | None = None
    bad: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trace:
    """A request from the beginning of its first step to the end of its last."""

    request_id: str
    job_ids: tuple[str, ...]
    began: float
    took_ms: float
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def find_trace(store: LogStore, ident: str, wait: float = WAIT_S) -> Trace | None:
    """Return the time line of a request id or job id, None when the store has no record of it.

    What is young may still grow, and what is not there may come: then it looks again, for `wait` seconds at most.
    """
    deadline = time.monotonic() + wait
    while True:
        records = _records(store, ident)
        settled = bool(records) and time.time() - max(record.time for record in records) > SETTLED_S
        if settled or time.monotonic() >= deadline:
            return trace(records) if records else None
        time.sleep(POLL_S)


def trace(records: list[LogRecord]) -> Trace:
    """Return the time line of the records of one request (at least one): pure."""
    raw = sorted((step for record in records for step in _steps(record)), key=lambda step: (step.began, -_rank(step)))
    first = raw[0].began
    steps = tuple(Step(**{**vars(step), "offset_ms": round((step.began - first) * 1000, 3)}) for step in raw)
    last = max(step.began + (step.took_ms or 0.0) / 1000 for step in steps)
    jobs = dict.fromkeys(str(record.fields["job_id"]) for record in records if record.fields.get("job_id"))
    return Trace(
        request_id=next((record.request_id for record in records if record.request_id), ""),
        job_ids=tuple(jobs),
        began=first,
        took_ms=round((last - first) * 1000, 3),
        steps=steps,
        notes=tuple(_notes(records)),
    )


def _records(store: LogStore, ident: str) -> list[LogRecord]:
    found = store.search(text_of(Is("request_id", ident)), 0.0, FOREVER, MOST_RECORDS, newest_first=False)
    if found:
        return found
    asked = text_of(And((Is("event", "job"), Is("job_id", ident))))
    jobs = store.search(asked, 0.0, FOREVER, MOST_RECORDS, newest_first=False)
    requests = list(dict.fromkeys(job.request_id for job in jobs if job.request_id))
    if not requests:
        return jobs
    parts = tuple(Is("request_id", request) for request in requests)
    query = text_of(parts[0] if len(parts) == 1 else Or(parts))
    return store.search(query, 0.0, FOREVER, MOST_RECORDS, newest_first=False)


def _steps(record: LogRecord) -> Iterator[Step]:
    """Yield what a record tells: its own step, and for a message of Kafka the wait before it."""
    took_ms = None if record.duration_us is None else record.duration_us / 1000
    # A record has the time at which it was done.
    began = record.time - (took_ms or 0.0) / 1000
    part = PARTS.get(record.event, "log")
    wait_ms = record.fields.get("wait_ms")
    if part == "worker" and isinstance(wait_ms, int | float):
        place = f"{record.fields.get('topic')}/{record.fields.get('partition')} @ {record.fields.get('offset')}"
        facts = {name: record.fields.get(name) for name in ("topic", "partition", "offset")}
        yield Step("kafka", "kafka", f"waits in {place}", began - wait_ms / 1000, 0.0, float(wait_ms), facts=facts)
    bad = (record.status or 0) >= 500 or record.level <= 3 or record.fields.get("outcome") in ("failed", "unreadable")
    yield Step(part, record.host, record.message, began, 0.0, took_ms, bad, _facts(record, part))


def _facts(record: LogRecord, part: str) -> dict[str, Any]:
    names = {
        "edge": ("status", "replica_url", "origin_duration_us", "retries"),
        "api": ("status", "route", "model", "model_version"),
        "worker": ("outcome", "reason", "verdict", "model", "model_version", "job_id", "feedback_id", "client"),
        "log": ("logger",),
    }[part]
    return {name: value for name in names if (value := record.get(name)) not in ("", None)}


def _rank(step: Step) -> int:
    """What encloses another step and began in the same moment stands before it."""
    return ("log", "worker", "kafka", "api", "edge").index(step.part)


def _notes(records: list[LogRecord]) -> Iterator[str]:
    events = [record.event for record in records]
    if len(records) >= MOST_RECORDS:
        yield f"more than {MOST_RECORDS} records have this id: only the first are shown"
    if "edge" in events and "request" not in events:
        yield "the edge has a record of it and no replica: it answered itself, or the replica's record is lost"
    accepted = any(r.event == "request" and r.route == "/jobs" and r.status == 202 for r in records)
    if accepted and "job" not in events:
        yield "the job was accepted and no worker is done with it yet; next: lab kafka lag"
