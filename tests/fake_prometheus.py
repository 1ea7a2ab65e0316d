"""As much of Prometheus as the checks of a deployment ask: instant selectors over the replicas of a fake deployment."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

SCRAPE = 0.05
SELECTOR = re.compile(r"(\w+)(?:\{(.*)\})?")
MATCHER = re.compile(r'(\w+)(=~?)"([^"]*)"')


@dataclass
class Process:
    """One replica: counters as Prometheus knows them, by name and labels."""

    name: str
    release: str
    began: float
    canary: bool = False
    dead: bool = False
    counts: Counter[tuple[str, tuple[tuple[str, str], ...]]] = field(default_factory=Counter)

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        self.counts[name, tuple(sorted(labels.items()))] += amount


class FakePrometheus:
    """Knows of the processes what they counted until its last scrape, and nothing newer."""

    def __init__(self, processes: "Callable[[], Sequence[Process]]") -> None:
        self._processes = processes
        self._series: list[tuple[dict[str, str], float]] = []
        self._scraped_at = 0.0

    async def scrape(self) -> None:
        """Look at every process now and then, until cancelled."""
        for _ in repeat(None):
            moment = time.time()
            self._series = [one for process in self._processes() for one in _series(process)]
            self._scraped_at = moment
            await asyncio.sleep(SCRAPE)

    def answer(self, query: str) -> dict[str, Any]:
        if query == "time()":
            return {"resultType": "scalar", "result": [time.time(), str(time.time())]}
        if query.startswith("min(timestamp(up{"):
            return _vector([({}, self._scraped_at)])
        selected = SELECTOR.fullmatch(query.partition(" and (timestamp(")[0])  # all that it shows is fresh
        assert selected is not None, query
        wanted = [("__name__", "=", selected[1]), *MATCHER.findall(selected[2] or "")]
        return _vector([one for one in self._series if all(_matches(one[0], *matcher) for matcher in wanted)])


def _series(process: Process) -> list[tuple[dict[str, str], float]]:
    known = {"job": "api", "replica": process.name, "instance": process.name}
    found = [({**known, "__name__": "up"}, float(not process.dead))]
    if not process.dead:
        found.append(({**known, "__name__": "process_start_time_seconds"}, process.began))
        found.append(({**known, "__name__": "service_info", "release": process.release}, 1.0))
        for (name, labels), value in process.counts.items():
            job = "worker" if name == "jobs_finished_total" else "api"
            found.append(({**known, **dict(labels), "__name__": name, "job": job}, float(value)))
    return found


def _matches(labels: dict[str, str], name: str, sign: str, text: str) -> bool:
    value = labels.get(name, "")
    return bool(re.fullmatch(text, value)) if sign == "=~" else value == text


def _vector(found: list[tuple[dict[str, str], float]]) -> dict[str, Any]:
    return {
        "resultType": "vector",
        "result": [{"metric": labels, "value": [0, str(value)]} for labels, value in found],
    }
