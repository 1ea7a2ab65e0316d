"""The measurement: every contender in turn, round after round, so that a slow minute of the machine hits them all."""

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from bench import agreement, bodies, companions, processes, wrk
from bench.contenders import Command, Contender
from bench.processes import Cores, Server

WARM_UP_SECONDS = 1
# Serial numbers of one run never reach those of the next: no server answers so many requests in a run.
_SERIALS_A_RUN = 5_000_000


@dataclass(frozen=True)
class Plan:
    rounds: int
    seconds: int
    """Of load per contender and round."""
    connections: int


@dataclass(frozen=True)
class Sample:
    """One contender in one round."""

    contender: str
    round: int
    answers: wrk.Answers
    cpu_us: float
    """Processor time of the server per answered request, in microseconds: says the same on a busy machine. 0: none."""
    server_percent: float
    """Share of its core that the server used; well under 100 means that the load was the limit."""
    strangers_percent: float
    """Share of the two cores that neither the server nor the load used, but somebody else did."""
    rss_bytes: int
    load_percent: float = 0.0
    """Share of one core that the load used; near 100 it was the load that was measured."""

    @property
    def valid(self) -> bool:
        return self.answers.requests > 0 and self.answers.refused == 0 and self.answers.broken == 0


Say = Callable[[str], None]


def measure(contenders: Sequence[Contender], plan: Plan, models: Path, cores: Cores, say: Say) -> list[Sample]:
    """Start all contenders, check that they answer alike, and measure them. Raises CannotMeasure."""
    program = wrk.find()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as opened:
        runs: list[_Run] = []
        sinks = opened.enter_context(companions.log_sinks(cores.load))
        for contender in contenders:
            say(f"starting {contender.name}")
            command = partial(_command, contender, models, sinks)
            server = opened.enter_context(processes.running(contender.name, command, cores.server, Path(folder)))
            texts = bodies.write(contender.bodies(), Path(folder) / f"{contender.name}.bodies")
            runs.append(_Run(contender, server, texts))
        _require_agreement(runs, say)
        load = _Load(program, cores, plan)
        for run in runs:
            say(f"warming up {run.contender.name}")
            load.drive(run, WARM_UP_SECONDS)
        return list(_rounds(runs, load, plan, say))


def _command(contender: Contender, models: Path, sinks: Mapping[str, str], port: int) -> Command:
    arguments, own = contender.command(models, port)
    return arguments, {**own, "LAB_GELF_URL": sinks[contender.gelf]} if contender.gelf else own


@dataclass(frozen=True)
class _Run:
    contender: Contender
    server: Server
    bodies: Path


def _require_agreement(runs: Sequence[_Run], say: Say) -> None:
    """Hold everybody who predicts against the first who got the same bodies."""
    first: dict[Callable[[], list[str]], tuple[str, list[Any]]] = {}
    for run in runs:
        contender = run.contender
        if not contender.predicts:
            continue
        say(f"comparing the answers of {contender.name}")
        given = agreement.answers(run.server.url, contender.path, contender.bodies())
        other, expected = first.setdefault(contender.bodies, (contender.name, given))
        agreement.require_equal(contender.name, given, other, expected)


def _rounds(runs: Sequence[_Run], load: "_Load", plan: Plan, say: Say) -> Iterator[Sample]:
    last: dict[str, str] = {}
    for number in range(1, plan.rounds + 1):
        for run in runs:
            name = run.contender.name
            say(f"round {number} of {plan.rounds}: {name}" + (f" (before: {last[name]})" if name in last else ""))
            sample = load.measured(run, number)
            last[name] = f"{sample.answers.rate:,.0f}/s"
            yield sample


class _Load:
    def __init__(self, program: str, cores: Cores, plan: Plan) -> None:
        self._program = program
        self._cores = cores
        self._plan = plan
        self._serials = itertools.count(1, _SERIALS_A_RUN)

    def drive(self, run: _Run, seconds: int) -> wrk.Answers:
        return wrk.drive(
            self._program,
            self._cores.load,
            run.server.url + run.contender.path,
            run.bodies,
            connections=self._plan.connections,
            seconds=seconds,
            first_serial=next(self._serials),
        )

    def measured(self, run: _Run, number: int) -> Sample:
        if not run.contender.scrapers:
            return self._measured(run, number)
        with companions.scrapers(self._cores.load, run.server.metrics_port(), run.contender.scrapers):
            return self._measured(run, number)

    def _measured(self, run: _Run, number: int) -> Sample:
        cores = (self._cores.server, self._cores.load)
        started, busy = time.monotonic(), busy_seconds(cores)
        server_cpu, load_cpu = run.server.cpu_seconds(), children_cpu()
        answers = self.drive(run, self._plan.seconds)
        elapsed = time.monotonic() - started
        server_used, load_used = run.server.cpu_seconds() - server_cpu, children_cpu() - load_cpu
        strangers = strangers_percent(cores, busy, server_used + load_used, elapsed)
        return Sample(
            run.contender.name,
            number,
            answers,
            cpu_us=server_used / max(1, answers.requests) * 1e6,
            server_percent=100 * server_used / answers.seconds,
            strangers_percent=strangers,
            rss_bytes=run.server.rss_bytes(),
            load_percent=100 * load_used / elapsed,
        )


def busy_seconds(cores: Sequence[int]) -> float:
    """Return the seconds that the cores have worked since boot, those taken by the hypervisor included."""
    times = psutil.cpu_times(percpu=True)
    return sum(sum(times[core]) - times[core].idle - getattr(times[core], "iowait", 0.0) for core in cores)


def strangers_percent(cores: Sequence[int], busy: float, ours: float, elapsed: float) -> float:
    """Return the share of two cores that others used: `busy` as `busy_seconds` was, `ours` and `elapsed` since then."""
    return 100 * max(0.0, busy_seconds(cores) - busy - ours) / (2 * elapsed)


def children_cpu() -> float:
    """Return the processor time of our children that have ended: of the load, that is."""
    times = psutil.Process().cpu_times()
    return float(times.children_user + times.children_system)
