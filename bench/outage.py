"""The outage group: predictions while the only broker answers, and while it stands still, jobs handed in all along.

The real system as `lab up` starts it, on one core; the load and who hands in jobs on the other. A broker that stands
still is worse than one that is gone: connections stay open, and nothing comes back.
"""

import itertools
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

from bench import bodies, systems, wrk
from bench.errors import CannotMeasure
from bench.processes import Cores
from bench.rounds import Plan, Sample, Say, busy_seconds, children_cpu, strangers_percent
from bench.systems import System

OUTAGE = "outage"
ANSWERS, HANGS = "kafka-answers", "kafka-hangs"
JOBS_A_SECOND = 20
CHANGES_WITHIN = 30.0
"""Seconds until the service has noticed a broker that stands still, or answers again."""
JOB = b'{"model": "iris", "data": [[5.1, 3.5, 1.4, 0.2]]}'
TOLD = {
    ANSWERS: f"predictions by the service, its broker answers, {JOBS_A_SECOND} jobs/s are accepted meanwhile",
    f"{ANSWERS}-jobs": "those jobs: from hand-in to 202",
    HANGS: f"predictions by the service, its broker stands still, {JOBS_A_SECOND} jobs/s are refused meanwhile",
    f"{HANGS}-jobs": "those jobs: from hand-in to 503 with Retry-After; at most 2 s are promised",
}


@dataclass
class Jobs:
    """Hands in jobs at a steady rate from threads, and notes what came of each."""

    system: System
    client: httpx.Client
    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def hand_in(self) -> int:
        """Return the status; 0 for no answer, or for one without what a client needs to go on."""
        begun = time.perf_counter()
        try:
            answer = self.client.post(f"{self.system.url}/jobs", content=JOB)
        except httpx.HTTPError:
            status = 0
        else:
            status = answer.status_code if answer.status_code != 503 or "Retry-After" in answer.headers else 0
        self.seconds.append(time.perf_counter() - begun)
        self.statuses[status] += 1
        return status

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Hand in until the end of the block, then wait for the last."""
        with ThreadPoolExecutor(4 * JOBS_A_SECOND) as threads:
            ended = threading.Event()
            pace = threads.submit(self._pace, threads, ended)
            try:
                yield
            finally:
                ended.set()
                pace.result()

    def _pace(self, threads: ThreadPoolExecutor, ended: threading.Event) -> None:
        begun = time.perf_counter()
        for number in itertools.count(1):
            threads.submit(self.hand_in)
            if ended.wait(begun + number / JOBS_A_SECOND - time.perf_counter()):
                return

    def answers(self, wanted: int, seconds: float) -> wrk.Answers:
        micros = np.array(self.seconds) * 1e6
        p50, p99, most = (round(float(one)) for one in np.percentile(micros, (50, 99, 100)))
        good = self.statuses[wanted]
        return wrk.Answers(good, seconds, p50, p99, most, 0, self.statuses.total() - good)


def measure_outage(plan: Plan, models: Path, cores: Cores, say: Say) -> list[Sample]:
    """Start the system and measure both states in every round. Raises CannotMeasure."""
    program = wrk.find()
    with tempfile.TemporaryDirectory(prefix="bench-outage-") as name:
        folder = Path(name)
        parts = systems.ours(models, folder, say)
        texts = bodies.write(bodies.iris_bodies(), folder / "iris.bodies")
        say("starting the system")
        with (
            systems.running(parts, str(cores.server), folder) as system,
            httpx.Client(
                headers={"X-API-Key": system.keys[0], "Content-Type": "application/json"},
                timeout=20,
                trust_env=False,
                limits=httpx.Limits(max_connections=None),
            ) as client,
        ):
            measured = _Rounds(plan, cores, program, texts, system, client)
            measured.drive()  # to warm up
            return list(measured.all(say))


@dataclass
class _Rounds:
    plan: Plan
    cores: Cores
    program: str
    bodies: Path
    system: System
    client: httpx.Client
    serials: Iterator[int] = field(default_factory=lambda: itertools.count(1, 5_000_000))

    def all(self, say: Say) -> Iterator[Sample]:
        broker = self.system.processes["kafka"]
        for number in range(1, self.plan.rounds + 1):
            say(f"round {number} of {self.plan.rounds}: {ANSWERS}")
            self._until(202)
            yield from self._measured(ANSWERS, number, 202)
            say(f"round {number} of {self.plan.rounds}: {HANGS}")
            broker.suspend()
            try:
                self._until(503)
                yield from self._measured(HANGS, number, 503)
            finally:
                broker.resume()

    def drive(self) -> wrk.Answers:
        return wrk.drive(
            self.program,
            self.cores.load,
            f"{self.system.url}/predict",
            self.bodies,
            connections=self.plan.connections,
            seconds=self.plan.seconds,
            first_serial=next(self.serials),
        )

    def _until(self, wanted: int) -> None:
        deadline = time.monotonic() + CHANGES_WITHIN
        while (status := Jobs(self.system, self.client).hand_in()) != wanted:
            if time.monotonic() > deadline:
                raise CannotMeasure(f"jobs are answered with {status} instead of {wanted}, {CHANGES_WITHIN:g} s long")
            time.sleep(0.2)

    def _measured(self, name: str, number: int, wanted: int) -> Sequence[Sample]:
        api, both = self.system.processes["api-1"], (self.cores.server, self.cores.load)
        jobs = Jobs(self.system, self.client)
        begun, busy, all_cpu, load_cpu = time.monotonic(), busy_seconds(both), self.system.cpu_seconds(), children_cpu()
        api_cpu = sum(api.cpu_times()[:2])
        with jobs.meanwhile():
            answers = self.drive()
            elapsed = time.monotonic() - begun
            used, load_used = self.system.cpu_seconds() - all_cpu, children_cpu() - load_cpu
            api_used = sum(api.cpu_times()[:2]) - api_cpu
            strangers = strangers_percent(both, busy, used + load_used, elapsed)
        rss = self.system.rss_bytes()
        load = 100 * load_used / elapsed
        percent, each = 100 * used / elapsed, api_used / max(1, answers.requests) * 1e6
        return (
            Sample(name, number, answers, each, percent, strangers, rss, load),
            Sample(f"{name}-jobs", number, jobs.answers(wanted, elapsed), 0.0, percent, strangers, rss, load),
        )
