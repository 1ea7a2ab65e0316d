"""The queue of jobs around a run: Kafka's offsets and the workers' own counters, before it and after it."""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from labkit.home import Home
from labkit.loadgen import counters
from labkit.loadgen.counters import Scrape
from labkit.urls import Urls, running

JOBS, DEAD_LETTERS, WORKERS = "jobs", "jobs.dlq", "workers"
"""Topics and the workers' consumer group, by the names that the service gives them."""
TOPICS = (JOBS, "results", DEAD_LETTERS)
DEADLINE_MS = 3000
BACKLOG_WITHIN = 30.0
"""Seconds after a run in which the workers may still answer what was accepted."""
ASK_EVERY = 0.25


@dataclass(frozen=True)
class Offsets:
    """Per topic and partition at one moment: where the log ends, and what the workers have committed of `jobs`.

    `error` says why there are none; -1 stands for a partition of which nothing was ever committed.
    """

    t: float
    ends: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    committed: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None

    @property
    def backlog(self) -> int:
        """Jobs in the log that the workers have not committed."""
        return sum(end - max(self.committed.get(part, 0), 0) for part, end in self.ends.get(JOBS, {}).items())


def read_offsets(servers: str) -> Offsets:
    """Ask Kafka; a failure is an Offsets with the error, since the run itself is worth keeping."""
    from kafka import KafkaAdminClient, TopicPartition
    from kafka.admin import OffsetSpec
    from kafka.errors import KafkaError

    t = time.time()
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=servers.split(","),
            client_id="lab-load",
            request_timeout_ms=DEADLINE_MS,
            bootstrap_timeout_ms=DEADLINE_MS,
        )
    except (KafkaError, OSError) as error:
        return Offsets(t, error=f"{type(error).__name__}: {error}")
    try:
        there = set(admin.list_topics())
        found = admin.describe_topics([topic for topic in TOPICS if topic in there])
        numbers = ((topic["name"], one["partition_index"]) for topic in found for one in topic["partitions"])
        parts = [TopicPartition(*number) for number in numbers]
        ends = admin.list_partition_offsets(dict.fromkeys(parts, OffsetSpec.LATEST), timeout_ms=DEADLINE_MS)
        committed = _committed(admin, [part for part in parts if part.topic == JOBS])
    except (KafkaError, OSError, KeyError) as error:
        return Offsets(t, error=f"{type(error).__name__}: {error}")
    finally:
        with contextlib.suppress(KafkaError, OSError):
            admin.close()
    by_topic: dict[str, dict[str, int]] = {}
    for part, end in ends.items():
        by_topic.setdefault(part.topic, {})[str(part.partition)] = end.offset
    return Offsets(t, by_topic, {str(part.partition): one.offset for part, one in committed.items()})


def _committed(admin: Any, parts: list[Any]) -> Mapping[Any, Any]:
    """Return the workers' offsets; a broker that no group ever asked has no coordinator, and nobody's offsets."""
    from kafka.errors import CoordinatorNotAvailableError

    try:
        found: Mapping[Any, Any] = admin.list_group_offsets({WORKERS: parts})[WORKERS]
    except CoordinatorNotAvailableError:
        return {}
    return found


class Queue:
    """What is read of the queue around one run; a stack without Kafka has nothing to read."""

    def __init__(self, urls: Urls, home: Home) -> None:
        self._urls = urls
        self._home = home
        self._before, self._after = Offsets(0.0), Offsets(0.0)
        self._workers_before: dict[str, Scrape] = {}
        self._workers_after: dict[str, Scrape] = {}

    def note_before(self) -> None:
        if self._urls.kafka:
            self._before = read_offsets(self._urls.kafka)
            self._workers_before = counters.scrape_all(self._worker_metrics())

    def note_after(self, within: float) -> None:
        """Wait until the workers have caught up, at most `within` seconds, and read once more."""
        if not self._urls.kafka:
            return
        deadline = time.monotonic() + within
        while True:
            self._after = read_offsets(self._urls.kafka)
            idle = self._after.error is None and self._after.ends.get(JOBS) == self._before.ends.get(JOBS)
            caught_up = self._after.error is None and not self._after.backlog
            if idle or caught_up or time.monotonic() >= deadline:
                break
            time.sleep(ASK_EVERY)
        self._workers_after = _steady(self._worker_metrics())

    def _worker_metrics(self) -> tuple[str, ...]:
        """Return the metrics of the workers there are now: a run may be one in which they are scaled."""
        local = running(self._home)
        urls = local if local is not None and local.kafka == self._urls.kafka else self._urls
        return urls.worker_metrics

    def to_dict(self) -> dict[str, Any]:
        return {
            "before": {**asdict(self._before), "workers": counters.to_dict(self._workers_before)},
            "after": {**asdict(self._after), "workers": counters.to_dict(self._workers_after)},
        }


def _steady(urls: tuple[str, ...], within: float = 3.0) -> dict[str, Scrape]:
    """Scrape until two readings agree: a worker counts a batch a moment after it has committed it."""
    deadline = time.monotonic() + within
    before = counters.scrape_all(urls)
    while True:
        time.sleep(ASK_EVERY)
        after = counters.scrape_all(urls)
        if all(_finished(after[url]) == _finished(before[url]) for url in urls) or time.monotonic() >= deadline:
            return after
        before = after


def _finished(scrape: Scrape) -> list[tuple[Any, float]]:
    return [(s["labels"], s["value"]) for s in scrape.samples if s["name"] == "jobs_finished_total"]
