"""Two runs side by side: what differs, by how much, and how sure that is."""

from pathlib import Path
from typing import Any

import msgspec

from labkit.errors import CannotRun
from labkit.report import colours, plots, words
from labkit.report.bootstrap import SHORTEST_S, Difference, Seconds, differences, seconds_of
from labkit.report.distribution import curve, drawn
from labkit.report.latency import merged
from labkit.report.page import write
from labkit.report.plots import SECONDS, Plot
from labkit.report.run_folder import Run, read_run
from labkit.report.summary import Summary

WORSE = {"ms": "slower", "%": "failing more"}
BETTER = {"ms": "faster", "%": "failing less"}


class Comparison(msgspec.Struct, frozen=True):
    """`clock` is the latency that both runs have; `cautions` say why the two may not be comparable."""

    a: str
    b: str
    clock: str
    paired: bool
    differences: tuple[Difference, ...]
    cautions: tuple[str, ...]
    report: str

    def to_dict(self) -> dict[str, Any]:
        facts: dict[str, Any] = msgspec.to_builtins(self)
        return facts | {"sentences": [sentence(one) for one in self.differences]}


def compare(a: Summary, b: Summary) -> Comparison:
    """Compare two judged runs; writes compare-<A>.html into the folder of B.

    Raises CannotRun for a run that is too short for an interval.
    """
    runs = read_run(Path(a.folder)), read_run(Path(b.folder))
    corrected = a.latency.response_time is not None and b.latency.response_time is not None
    seconds = tuple(seconds_of(run, corrected=corrected) for run in runs)
    for run, of in zip(runs, seconds, strict=True):
        if len(of) < SHORTEST_S or not of.done.sum():
            raise CannotRun(f"run {run.facts.id} has {len(of)} s of answers; a comparison needs at least "
                            f"{SHORTEST_S} s of each run: load it longer")  # fmt: skip
    paired = _same_schedule(*runs) and abs(len(seconds[0]) - len(seconds[1])) <= 2
    if paired:
        shortest = min(len(of) for of in seconds)
        seconds = tuple(of.first(shortest) for of in seconds)
    page = Path(b.folder) / f"compare-{a.id}.html"
    found = Comparison(
        a.id, b.id, "response time" if corrected else "service time", paired, differences(*seconds, paired=paired),
        _cautions(a, b, runs), str(page),
    )  # fmt: skip
    write(page, "compare.html", c=found, a=a, b=b, plots=_plots(found, runs, seconds, corrected), sentence=sentence)
    return found


def sentence(one: Difference) -> str:
    """Return the difference in words: B is slower at p99 by 3.1 ms [2.0, 4.4]."""
    size, low, high = (words.number(abs(v)) for v in (one.difference, one.low, one.high))
    if one.difference < 0:
        low, high = high, low
    if not one.shown:
        return f"{one.name}: no difference shown ({words.signed(one.difference)} {one.unit} " \
               f"[{words.signed(one.low)}, {words.signed(one.high)}])"  # fmt: skip
    if one.name == "goodput":
        return f"B answers {'more' if one.difference > 0 else 'less'} by {size} {one.unit} [{low}, {high}]"
    word = (WORSE if one.difference > 0 else BETTER)[one.unit]
    if one.unit == "%":
        return f"B is {word} by {size} percentage points [{low}, {high}]"
    return f"B is {word} at {one.name} by {size} {one.unit} [{low}, {high}]"


def _same_schedule(a: Run, b: Run) -> bool:
    keys = ("shape", "duration")
    return a.facts.mode == b.facts.mode != "closed" and all(
        a.facts.scenario.get(key) == b.facts.scenario.get(key) for key in keys
    )


def _cautions(a: Summary, b: Summary, runs: tuple[Run, Run]) -> tuple[str, ...]:
    found = []
    for name, one in (("A", a), ("B", b)):
        if not one.valid:
            found.append(f"{name} is invalid ({'; '.join(one.validity.reasons)}): its numbers are the generator's own")
        if one.interrupted:
            found.append(f"{name} was interrupted")
    if not _same_schedule(*runs):
        found.append(f"the loads differ ({a.scenario} and {b.scenario}): a difference may come from the load")
    if a.edge != b.edge:
        found.append(f"the edges differ (A: {a.edge}, B: {b.edge})")
    return tuple(found)


def _plots(found: Comparison, runs: tuple[Run, Run], seconds: tuple[Seconds, ...], corrected: bool) -> tuple[Plot, ...]:
    sides = (("A", colours.BLUE, "solid"), ("B", colours.ORANGE, "dash"))
    whole = [merged(e.response_time if corrected else e.service_time for e in run.entries) for run in runs]
    lines = [(name, curve(of), colour, dash) for (name, colour, dash), of in zip(sides, whole, strict=True)]
    over_time = plots.empty(SECONDS, f"{found.clock} p99 (ms)", height=340)
    rate = plots.empty(SECONDS, "good answers / s", height=340)
    seen: list[float] = []
    for (name, colour, dash), run, of in zip(sides, runs, seconds, strict=True):
        x = [second.t - run.facts.started for second in run.timeline]
        y = [merged([s.response_time if corrected else s.service_time]).at(99) for s in run.timeline]
        plots.line(over_time, x, y, name, colour, dash=dash)
        seen += [value for value in y if value is not None]
        plots.line(rate, list(range(len(of))), (of.done - of.failed).tolist(), name, colour, dash=dash, step=True)
    plots.log_axis(over_time, seen, f"{found.clock} p99 (ms)")
    both = (
        drawn("distribution", f"Distribution of the {found.clock}", lines),
        Plot("latency-p99", "p99 over time", "Each second's own percentile.", over_time, wide=True),
        Plot("rate", "Goodput over time", "Good answers in each second.", rate, wide=True),
    )
    return tuple(plot for plot in both if plot is not None)
