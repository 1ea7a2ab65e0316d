"""The jobs group: our queue against the textbook's, one after the other in every round, by the same client.

Each queue with all its processes, and the client, share the same two cores. Two figures for each: a flood (jobs a
second from the first hand-in to the last answer: what is counted was accepted and answered) and, at a moderate rate,
how long a job takes from end to end.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bench import systems
from bench.agreement import require_equal
from bench.bodies import iris_bodies
from bench.errors import CannotMeasure
from bench.job_client import PATIENCE, Order, Outcome
from bench.processes import Cores, confined
from bench.rounds import Plan, Sample, Say, busy_seconds, strangers_percent
from bench.systems import Parts, System
from bench.wrk import Answers

JOBS = "jobs"
WARM_UP_SECONDS = 3.0
"""Longer than for the other groups: a Java program compiles what is run often."""
CLIENTS = 128
"""Who hand in jobs at the same time in a flood, each on a connection of its own."""
MODERATE = 100.0
"""Jobs a second of the paced figure: well below what either can do."""


@dataclass(frozen=True)
class Contestant:
    """One queue: its samples are NAME (the flood) and NAME-paced."""

    name: str
    what: str
    parts: Callable[[Path, Path, Say], Parts]
    body: Callable[[str], str]
    """From a body of the model to the body of a job."""

    @property
    def told(self) -> dict[str, str]:
        return {
            self.name: f"{self.what}; flooded",
            f"{self.name}-paced": f"the same at {MODERATE:g} jobs/s: latency from the intended hand-in to the answer",
        }


QUEUES = (
    Contestant(
        "textbook-jobs",
        "FastAPI + Celery + Redis as their tutorials show them, one worker process, scikit-learn's predict",
        systems.textbook,
        lambda body: body,
    ),
    Contestant(
        "ours-jobs",
        "the service, one Kafka broker, one worker, Redis; everything on, 202 only after Kafka's acknowledgement",
        systems.ours,
        lambda body: '{"model": "iris", ' + body[1:],
    ),
)


def measure_queues(contestants: Sequence[Contestant], plan: Plan, models: Path, cores: Cores, say: Say) -> list[Sample]:
    """Start all queues, check that they answer alike, and measure them. Raises CannotMeasure."""
    both = f"{cores.server},{cores.load}"
    with tempfile.TemporaryDirectory(prefix="bench-jobs-") as name, ExitStack() as opened:
        runs: list[tuple[Contestant, System]] = []
        for one in contestants:
            say(f"starting {one.name}")
            folder = Path(name) / one.name
            folder.mkdir()
            parts = one.parts(models, folder, say)
            runs.append((one, opened.enter_context(systems.running(parts, both, folder))))
        _require_agreement(runs)
        load = _Load(both, plan)
        for one, system in runs:
            say(f"warming up {one.name}")
            load.drive(one, system, seconds=WARM_UP_SECONDS)
        return list(_rounds(runs, load, plan, say))


def _rounds(runs: Sequence[tuple[Contestant, System]], load: "_Load", plan: Plan, say: Say) -> Iterator[Sample]:
    for number in range(1, plan.rounds + 1):
        for rate in (0.0, MODERATE):
            for one, system in runs:
                name = f"{one.name}-paced" if rate else one.name
                say(f"round {number} of {plan.rounds}: {name}")
                yield load.measured(name, one, system, number, rate)


class _Load:
    def __init__(self, cores: str, plan: Plan) -> None:
        self._cores = cores
        self._plan = plan

    def drive(self, one: Contestant, system: System, *, seconds: float, rate: float = 0.0) -> Outcome:
        order = Order(
            url=system.url,
            bodies=[one.body(body) for body in iris_bodies()],
            keys=list(system.keys),
            seconds=seconds,
            connections=CLIENTS,
            rate=rate,
        )
        command = confined(self._cores, [sys.executable, "-m", "bench.job_client"])
        wait = seconds + 2 * PATIENCE
        done = subprocess.run(command, input=msgspec.json.encode(order), capture_output=True, timeout=wait, check=False)
        if done.returncode:
            said = (done.stderr.decode(errors="replace").strip() or "nothing").splitlines()[-1]
            raise CannotMeasure(f"the client of {one.name} ended with {done.returncode} and said: {said}")
        return msgspec.json.decode(done.stdout, type=Outcome)

    def measured(self, name: str, one: Contestant, system: System, number: int, rate: float) -> Sample:
        cores = [int(core) for core in self._cores.split(",")]
        started, busy, cpu = time.monotonic(), busy_seconds(cores), system.cpu_seconds()
        outcome = self.drive(one, system, seconds=self._plan.seconds, rate=rate)
        elapsed, used = time.monotonic() - started, system.cpu_seconds() - cpu
        client = outcome.cpu_percent / 100 * outcome.seconds
        return Sample(
            contender=name,
            round=number,
            answers=Answers(
                outcome.answered,
                outcome.seconds,
                outcome.p50_us,
                outcome.p99_us,
                outcome.max_us,
                outcome.refused,
                outcome.broken,
            ),
            cpu_us=used / max(1, outcome.answered) * 1e6,
            server_percent=100 * used / outcome.seconds,
            strangers_percent=strangers_percent(cores, busy, used + client, elapsed),
            rss_bytes=system.rss_bytes(),
            load_percent=outcome.cpu_percent,
        )


def _require_agreement(runs: Sequence[tuple[Contestant, System]]) -> None:
    given = [_answers(one, system) for one, system in runs]
    for (one, _), answers in zip(runs[1:], given[1:], strict=True):
        require_equal(one.name, answers, runs[0][0].name, given[0])


def _answers(one: Contestant, system: System) -> list[Any]:
    """Hand in every fifth flower and return the answers, in order."""
    import httpx

    results = []
    with httpx.Client(base_url=system.url, trust_env=False, timeout=10) as client:
        headers = {"X-API-Key": system.keys[0]} if system.keys[0] else {}
        for body in iris_bodies()[::5]:
            sent = client.post("/jobs", content=one.body(body), headers={**headers, "Content-Type": "application/json"})
            if sent.status_code != 202:
                raise CannotMeasure(f"{one.name} answered {sent.status_code} to {body[:80]}: {sent.text[:200]}")
            results.append(_awaited(client, one.name, sent.json()["id"], headers))
    return results


def _awaited(client: Any, name: str, ident: str, headers: dict[str, str]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        state = json.loads(client.get(f"/jobs/{ident}", headers=headers).content)
        if state["status"] == "done":
            return state["result"]
        if state["status"] == "failed":
            raise CannotMeasure(f"{name} failed a job: {state}")
        time.sleep(0.01)
    raise CannotMeasure(f"{name} did not answer its first jobs within {PATIENCE:g} s; is its worker up?")
