"""What is promised: ratios between contenders within one round. Pure: samples in, verdicts out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.rounds import Sample


def _rate(sample: Sample) -> float:
    return sample.answers.rate


def _p99(sample: Sample) -> float:
    return float(sample.answers.p99_us)


def _cpu(sample: Sample) -> float:
    return sample.cpu_us


@dataclass(frozen=True)
class Bar:
    """The median over the rounds of `over` / `under` must be at least (or at most) `limit`."""

    name: str
    group: str
    over: str
    under: str
    figure: Callable[[Sample], float]
    at_least: bool
    limit: float

    @property
    def wanted(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


BARS = (
    Bar("iris: requests/s, ours / naive", "iris", "ours-iris", "naive-iris", _rate, True, 10.0),
    Bar("iris: requests/s, ours / bare constant", "iris", "ours-iris", "constant", _rate, True, 0.60),
    Bar("iris: p99 latency, ours / bare constant", "iris", "ours-iris", "constant", _p99, False, 3.0),
    Bar("telemetry: CPU per request, all on / all off", "telemetry", "ours-iris", "silent-iris", _cpu, False, 1.15),
    Bar("scrapes: p99 latency, 50 scrapers / none", "scrapes", "scraped-iris", "ours-iris", _p99, False, 1.10),
    Bar("sinks: p99 latency, log receiver hangs / takes", "sinks", "hung-sink", "ours-iris", _p99, False, 1.10),
    Bar("sinks: p99 latency, log receiver gone / takes", "sinks", "no-sink", "ours-iris", _p99, False, 1.10),
    Bar("forest: requests/s, ours / naive", "forest", "ours-forest", "naive-forest", _rate, True, 12.0),
    Bar("jobs: accepted and answered/s, ours / textbook", "jobs", "ours-jobs", "textbook-jobs", _rate, True, 5.0),
    Bar("outage: predictions/s, Kafka hangs / answers", "outage", "kafka-hangs", "kafka-answers", _rate, True, 0.90),
    Bar("outage: p99 of them, Kafka hangs / answers", "outage", "kafka-hangs", "kafka-answers", _p99, False, 1.10),
    Bar(
        "collector: records stored / offered at 20,000/s",
        "collector",
        "collector-sqlite",
        "gelf-offered",
        _rate,
        True,
        1.0,
    ),
)


@dataclass(frozen=True)
class Verdict:
    """One bar with what was measured; no ratio when too few rounds were valid."""

    bar: Bar
    ratios: tuple[float, ...]
    rounds: int
    by_cpu: float | None
    """For a bar of rates: the median ratio of what each could answer per second of processor time."""

    @property
    def median(self) -> float | None:
        return median(self.ratios) if self._enough else None

    @property
    def held(self) -> bool:
        """Whether the bar is reached: by valid rounds, and by more than half of all of them."""
        if self.median is None:
            return False
        return self.median >= self.bar.limit if self.bar.at_least else self.median <= self.bar.limit

    @property
    def _enough(self) -> bool:
        return len(self.ratios) * 2 > self.rounds


def verdicts(samples: Sequence[Sample]) -> list[Verdict]:
    """Judge every bar whose contenders were measured; a round in which either of the two is invalid does not count."""
    by_round = {(sample.contender, sample.round): sample for sample in samples}
    measured = {sample.contender for sample in samples}
    rounds = sorted({sample.round for sample in samples})
    found = []
    for bar in BARS:
        if not {bar.over, bar.under} <= measured:
            continue
        pairs = [(by_round[bar.over, number], by_round[bar.under, number]) for number in rounds]
        valid = [(over, under) for over, under in pairs if over.valid and under.valid]
        ratios = tuple(bar.figure(over) / bar.figure(under) for over, under in valid)
        by_cpu = median(under.cpu_us / over.cpu_us for over, under in valid) if valid and bar.figure is _rate else None
        found.append(Verdict(bar, ratios, len(rounds), by_cpu))
    return found
