"""The log records of one run, counted in the store right after it, and what the collector counted meanwhile."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.loadgen import counters
from labkit.loadgen.counters import Scrape
from labkit.logs.opening import open_store
from labkit.logs.store import LogRecord, LogStore
from labkit.urls import Urls, running

WITHIN_S = 20.0
"""The longest wait for records that are on their way."""
QUIET_S = 3.0
"""Nothing new for this long, and nothing waits in the collector: nothing will come."""
POLL_S = 0.5
ARRIVED_S = 0.1
"""A datagram that was sent to this host has been received by then, or never is."""
TRIES = 8
MARGIN_S = 60.0
"""Before and after the run: the times in records come from several clocks."""
SUSPECTS = 2000
AT_ONCE = 25
"""Request ids in one question."""
BY_EDGE = "event:edge AND (status:>=500 OR status:429 OR status:499)"
"""Answers that an edge may give by itself."""

Requests = Counter[tuple[str, str, str]]


@dataclass
class Readings:
    """The counters of all that sends log records, and of the collector, at one moment.

    `moving`: records that were sent while the two were read; 0 means that both tell of the same moment.
    """

    senders: dict[str, Scrape]
    collector: dict[str, Scrape]
    moving: int = 0

    def to_dict(self) -> dict[str, Any]:
        return {
            "senders": counters.to_dict(self.senders),
            "collector": counters.to_dict(self.collector),
            "moving": self.moving,
        }


class RunLogs:
    """What is asked of logs around one run. A stack without a store has nothing to ask; trouble never ends a run."""

    def __init__(self, urls: Urls, home: Home) -> None:
        self._urls = urls
        self._home = home
        self._before = Readings({}, {})

    def note_before(self) -> None:
        if self._urls.logs:
            self._before = self._readings()

    def note_after(self, begins: str, started: float, ended: float, sent: Iterable[tuple[str, str, int]]) -> Any:
        """Return what logs.json holds; None without a store.

        `begins`: of the run's request ids; `sent`: (method, route, number of requests).
        """
        if not self._urls.logs:
            return None
        sent = list(sent)
        facts: dict[str, Any] = {"store": self._urls.logs, "begins": begins}
        try:
            with open_store(self._urls.logs) as store:
                asking = _Asking(store, begins, started - MARGIN_S, ended + MARGIN_S)
                total = sum(n for _, _, n in sent)
                facts["waited_s"], facts["waiting"] = asking.wait(total, self._waiting)
                facts |= asking.facts([(method, route) for method, route, _ in sent])
        except CannotRun as error:
            facts["problem"] = str(error)
        return {**facts, "before": self._before.to_dict(), "after": self._readings().to_dict()}

    def _waiting(self) -> int:
        """Return how many records the collector has still to write, 0 when it does not say."""
        found = counters.scrape_all(self._collector())
        return round(sum(_sum(scrape, "collector_queue_records") for scrape in found.values()))

    def _readings(self) -> Readings:
        """Read senders, collector, senders; again while records are sent in between."""
        senders = self._senders()
        found = Readings(counters.scrape_all(senders), {})
        for _ in range(TRIES):
            earlier = found.senders
            time.sleep(ARRIVED_S)
            collector = counters.scrape_all(self._collector())
            later = counters.scrape_all(senders)
            found = Readings(
                later, collector, round(sum(map(_sent, later.values())) - sum(map(_sent, earlier.values())))
            )
            if not found.moving:
                break
        return found

    def _senders(self) -> tuple[str, ...]:
        """Return the metrics of the processes there are now: a run may be one in which they are scaled."""
        local = running(self._home)
        urls = local if local is not None and local.logs == self._urls.logs else self._urls
        return (*urls.metrics, *urls.worker_metrics)

    def _collector(self) -> tuple[str, ...]:
        return (self._urls.collector_metrics,) if self._urls.collector_metrics else ()


class _Asking:
    """Questions about one run's records."""

    def __init__(self, store: LogStore, begins: str, start: float, end: float) -> None:
        self._store = store
        self._mine = f"request_id:{begins}*"
        self._span = (start, end)

    def wait(self, sent: int, waiting: Callable[[], int]) -> tuple[float, int]:
        """Wait until all that was sent is there, or nothing new comes.

        Return the seconds waited and what waits in the collector still, 0 when all is there.
        """
        began = changed = time.monotonic()
        last: tuple[int, ...] = ()
        while True:
            now = time.monotonic()
            found = self._by(self._mine, ("event",))
            seen = tuple(found.get((event,), 0) for event in ("request", "edge", "job"))
            changed = now if seen != last else changed
            # A second look: the workers' records may come after the edge's.
            if seen == last and seen[0] == sent and seen[1] in (0, sent):
                return round(now - began, 3), 0
            last, left = seen, waiting()
            if (now - changed >= QUIET_S and not left) or now - began >= WITHIN_S:
                return round(now - began, 3), left
            time.sleep(POLL_S)

    def facts(self, routes: list[tuple[str, str]]) -> dict[str, Any]:
        requests = self._by(f"event:request AND {self._mine}", ("method", "route", "status", "host"))
        edge = Counter[tuple[str, str, str]]()
        for (method, path, status), n in self._by(f"event:edge AND {self._mine}", ("method", "path", "status")).items():
            edge[method, route_of(method, path, routes), status] += n
        alone, changed = self._suspects(routes)
        return {
            "requests": _listed(requests, ("method", "route", "status", "host")),
            "edge": _listed(edge, ("method", "route", "status")),
            "jobs": {outcome: n for (outcome,), n in self._by(f"event:job AND {self._mine}", ("outcome",)).items()},
            "edge_alone": _listed(alone, ("method", "route", "status")),
            "edge_changed": _listed(changed, ("method", "route", "status", "replied")),
            "twice": _listed(self._twice(), ("method", "route", "status")),
        }

    def _suspects(self, routes: list[tuple[str, str]]) -> tuple[Counter[Any], Counter[Any]]:
        """Return the edge's bad answers: those of which no replica's record tells, and those where it tells another."""
        alone, changed = Counter[Any](), Counter[Any]()
        found = self._store.search(f"({BY_EDGE}) AND {self._mine}", *self._span, SUSPECTS)
        for part in _parts(found, AT_ONCE):
            replied = {one.request_id: one for one in self._replies([record.request_id or "" for record in part])}
            for record in part:
                reply = replied.get(record.request_id)
                route = reply.route if reply else route_of(record.method or "", record.path or "", routes)
                key = (record.method or "", route or "", str(record.status))
                if reply is None:
                    alone[key] += 1
                elif reply.status != record.status:
                    changed[*key, str(reply.status)] += 1
        return alone, changed

    def _twice(self) -> Counter[Any]:
        """Return the records beyond one of each request: the edge sent it again after the first replica broke off."""
        twice = Counter[Any]()
        found = sorted(self._store.repeated(f"event:request AND {self._mine}", *self._span, "request_id"))
        for part in _parts(found, AT_ONCE):
            seen = set[str | None]()
            for reply in self._replies(part):
                if reply.request_id in seen:
                    twice[reply.method or "", reply.route or "", str(reply.status)] += 1
                seen.add(reply.request_id)
        return twice

    def _replies(self, part: list[str]) -> list[LogRecord]:
        """Return the replicas' records of requests, by their ids."""
        ids = " OR ".join(f"request_id:{one}" for one in part)
        return self._store.search(f"event:request AND ({ids})", *self._span, 20 * AT_ONCE)

    def _by(self, query: str, fields: tuple[str, ...]) -> dict[tuple[str, ...], int]:
        return self._store.count_by(query, *self._span, fields)


def route_of(method: str, path: str, routes: Iterable[tuple[str, str]]) -> str:
    """Return the template of a path among the (method, route) that the run asked for, "" when it is none of them."""
    path = path.partition("?")[0]
    fitting = [route for asked, route in routes if asked == method and _template(route).fullmatch(path)]
    return min(fitting, key=lambda route: route.count("{"), default="")


def _template(route: str) -> re.Pattern[str]:
    parts = re.split(r"(\{[^{}]*\})", route)
    return re.compile("".join("[^/]+" if part.startswith("{") else re.escape(part) for part in parts))


def _listed(found: dict[Any, int], names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{**dict(zip(names, key, strict=True)), "n": n} for key, n in sorted(found.items())]


def _parts(found: list[Any], size: int) -> Iterator[list[Any]]:
    for first in range(0, len(found), size):
        yield found[first : first + size]


def _sent(scrape: Scrape) -> float:
    found = (s for s in scrape.samples if s["name"] == "log_records_total" and s["labels"].get("sink") == "gelf")
    return sum(float(sample["value"]) for sample in found)


def _sum(scrape: Scrape, name: str) -> float:
    return sum(float(sample["value"]) for sample in scrape.samples if sample["name"] == name)
