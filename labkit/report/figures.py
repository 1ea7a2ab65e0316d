"""The plots of a run: latency distribution, rates and latency over time, saturation, the server's view."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from labkit.report import colours, plots
from labkit.report.distribution import distribution, job_times
from labkit.report.latency import merged
from labkit.report.plots import SECONDS, Plot
from labkit.report.prometheus import Series, ServerView
from labkit.report.run_folder import Run, Second
from labkit.report.summary import Summary

Points = tuple[list[float], list[float | None]]
MIB = 1 / 2**20
NAMED_BY = ("job", "instance", "tier", "outcome", "model", "reason", "code", "partition")


def run_plots(summary: Summary, run: Run, view: ServerView) -> dict[str, tuple[Plot, ...]]:
    """Return the plots of each section; a plot without data is left out."""
    over_time = OverTime(summary, run, view)
    sections: dict[str, tuple[Plot | None, ...]] = {
        "latency": (distribution(summary, run),),
        "jobs": (over_time.jobs(), job_times(run), over_time.lag()),
        "time": (over_time.rates(), over_time.latency(99), over_time.latency(50)),
        "saturation": (over_time.cpu(), over_time.generator(), over_time.in_flight(), over_time.memory()),
        "server": (over_time.balance(), over_time.replica_p99(), over_time.cache(), over_time.batches(),
                   over_time.shed(), over_time.edge()),
    }  # fmt: skip
    return {name: tuple(plot for plot in found if plot is not None) for name, found in sections.items()}


class OverTime:
    """Plots that share one x axis: seconds since the first intended start."""

    def __init__(self, summary: Summary, run: Run, view: ServerView) -> None:
        self.summary, self.run, self.view = summary, run, view
        self.zero = run.facts.started
        replicas = [one.name for one in summary.server.replicas]
        seen = (*view.over_time.get("cpu", ()), *view.over_time.get("memory", ()))
        others = {one.labels.get("instance", "") for one in seen}.difference(replicas)
        self.processes = {name: n for n, name in enumerate((*replicas, *sorted(others)))}
        self.x = [second.t - self.zero for second in run.timeline]

    def figure(self, unit: str, height: int = 300) -> Any:
        figure = plots.empty(SECONDS, unit, height=height)
        plots.time_axis(figure, self.summary.duration_s)
        return figure

    def rates(self) -> Plot | None:
        if not self.x:
            return None
        figure, timeline = self.figure("requests / s", 340), self.run.timeline
        self._by_second(figure, [s.done for s in timeline], "answered", colours.ACHIEVED, fill=True)
        if self.run.facts.mode != "closed":
            self._by_second(figure, [s.offered for s in timeline], "offered", colours.OFFERED, "dot")
        self._by_second(figure, [s.failed for s in timeline], "failed", colours.FAILED, fill=True)
        note = "Offered is what the schedule asked for in each second; where answered stays below it, work piles up."
        if any(s.follow_ups for s in timeline):
            self._by_second(figure, [s.follow_ups for s in timeline], "follow-ups", colours.SKY, "dash")
            note += " Follow-ups, such as questions after a job, are answered on top of what was offered."
        return Plot("rate", "Offered, answered and failed", note, figure, wide=True)

    def jobs(self) -> Plot | None:
        timeline = self.run.timeline
        if not any(s.jobs_accepted for s in timeline):
            return None
        figure = self.figure("jobs / s", 340)
        self._by_second(figure, [s.jobs_answered for s in timeline], "answered", colours.ACHIEVED, fill=True)
        self._by_second(figure, [s.jobs_accepted for s in timeline], "accepted", colours.OFFERED, "dot")
        note = "Where answered stays below accepted, jobs wait in the log; above it, the workers catch up."
        return Plot("jobs", "Jobs accepted and answered", note, figure, wide=True)

    def lag(self) -> Plot | None:
        found = list(self._found("lag"))
        if self.summary.jobs is None or not found:
            return None
        figure = self.figure("messages")
        for n, one in enumerate(found):
            self._draw(figure, one, n)
        note = "Messages of the topic jobs that the workers have not committed, in each partition. Gap: none told."
        return Plot("server-lag", "Lag of the workers", note, figure)

    def _by_second(
        self, figure: Any, values: Sequence[float], name: str, colour: str, dash: str = "solid", *, fill: bool = False
    ) -> None:
        # The last second is drawn to its end, as wide as the others.
        ends = [*self.x, self.x[-1] + 1], [*map(float, values), float(values[-1])]
        plots.line(figure, *ends, name, colour, dash=dash, step=True, fill=fill)

    def latency(self, percentile: int) -> Plot | None:
        """Draw the client's two latencies and the server's own on one axis."""
        figure, seen = self.figure("latency (ms)", 340), list[float]()

        def draw(points: Points, name: str, colour: str, dash: str) -> None:
            if any(v is not None for v in points[1]):
                plots.line(figure, *points, name, colour, dash=dash)
                seen.extend(v for v in points[1] if v is not None)

        draw(self._of(lambda s: s.response_time, percentile), "response time", colours.CORRECTED, "solid")
        draw(self._of(lambda s: s.service_time, percentile), "service time", colours.NAIVE, "dash")
        draw(self._asked(f"p{percentile}", 1000), "server's own", colours.SERVER, "dot")
        draw(self._asked(f"edge_p{percentile}", 1000), "edge", colours.EDGE, "dashdot")
        if not seen:
            return None
        plots.log_axis(figure, seen, "latency (ms)")
        note = (
            "Each second's own percentile. The gap between response and service time is waiting that a client "
            "feels and a naive load test hides. The server's and the edge's come from histogram buckets, smoothed "
            "over a few seconds."
        )
        return Plot(f"latency-p{percentile}", f"p{percentile} over time", note, figure, wide=True)

    def cpu(self) -> Plot | None:
        note = "At 100 % a single-threaded process can do no more: requests wait."
        plot = self._several("cpu", "CPU (% of one core)", "CPU of each process", 100, note)
        if plot is not None:
            self._up_to_a_core(plot.figure)
        return plot

    @staticmethod
    def _up_to_a_core(figure: Any) -> None:
        """Show at least one whole core: how far from full is the question."""
        highest = max((y for trace in figure.data for y in trace.y if y is not None), default=0.0)
        figure.update_yaxes(range=[0, max(105.0, highest * 1.05)])

    def generator(self) -> Plot | None:
        samples = self.run.generator.cpu
        if not samples:
            return None
        figure = self.figure("CPU (% of one core)")
        for n, pid in enumerate(sorted({s.pid for s in samples})):
            own = [s for s in samples if s.pid == pid]
            x, y = [s.t - self.zero for s in own], [s.percent for s in own]
            plots.line(figure, x, y, f"generator {n + 1}", colours.nth(n), dash=colours.nth_dash(n))
        plots.limit(figure, 80, "saturated above 80 %")
        self._up_to_a_core(figure)
        return Plot("generator", "CPU of the load generator", "A busy generator measures itself.", figure)

    def in_flight(self) -> Plot | None:
        busy = [s.busy for s in self.run.timeline]
        figure = self.figure("requests under way")
        if any(b is not None for b in busy):
            plots.line(figure, self.x, busy, "client: all users", colours.OFFERED, dash="dash", step=True)
        for n, one in enumerate(self._found("in_flight")):
            self._draw(figure, one, n)
        if not figure.data:
            return None
        note = "A queue shows here first: more requests under way at the same rate is waiting (Little's law)."
        return Plot("in-flight", "Requests under way", note, figure)

    def memory(self) -> Plot | None:
        return self._several("memory", "resident memory (MiB)", "Memory of each process", MIB, "")

    def balance(self) -> Plot | None:
        note = "Counted by each replica; even lines are an even balance."
        return self._several("rate", "requests / s", "Rate of each replica", 1, note)

    def replica_p99(self) -> Plot | None:
        return self._several("p99_replica", "latency (ms)", "p99 of each replica", 1000, "Measured inside the service.")

    def cache(self) -> Plot | None:
        note = "A row is looked up in the process first, then in Redis; what misses both is computed."
        return self._several("cache", "look-ups / s", "Cache look-ups", 1, note)

    def batches(self) -> Plot | None:
        note = "Rows that one call of the model answered."
        return self._several("batch", "rows / batch", "Mean batch size", 1, note)

    def shed(self) -> Plot | None:
        return self._several(
            "shed", "requests / s", "Refused by the service (shed)", 1, "Answered 503 at once, by reason."
        )

    def edge(self) -> Plot | None:
        return self._several("edge_rate", "requests / s", "Answers at the edge", 1, "Counted by Traefik, by status.")

    def _several(self, key: str, unit: str, title: str, scale: float, note: str) -> Plot | None:
        found = [one for one in self._found(key) if any(value for _, value in one.points)]
        if not found:
            return None
        figure = self.figure(unit)
        for n, one in enumerate(found):
            self._draw(figure, one, n, scale)
        return Plot(f"server-{key.replace('_', '-')}", title, note, figure)

    def _draw(self, figure: Any, series: Series, n: int, scale: float = 1.0) -> None:
        """Draw a process in its own colour, the same in each plot, and any other series in the n-th."""
        n = self.processes.get(series.labels.get("instance", ""), n)
        x, y = self._points(series, scale)
        plots.line(figure, x, y, self._name(series), colours.nth(n), dash=colours.nth_dash(n))

    def _of(self, histogram: Callable[[Second], str | None], percentile: float) -> Points:
        return self.x, [merged([histogram(second)]).at(percentile) for second in self.run.timeline]

    def _asked(self, key: str, scale: float) -> Points:
        return next((self._points(one, scale) for one in self._found(key)), ([], []))

    def _found(self, key: str) -> Iterable[Series]:
        def place(one: Series) -> tuple[int, str]:
            return self.processes.get(one.labels.get("instance", ""), 0), self._name(one)

        return sorted(self.view.over_time.get(key, ()), key=place)

    def _points(self, series: Series, scale: float = 1.0) -> Points:
        """Return a series in the run's time; a hole of more than two steps becomes a gap in the line."""
        x: list[float] = []
        y: list[float | None] = []
        last = None
        for t, value in series.points:
            if last is not None and t - last > 2.5 * max(self.view.step_s, 1.0):
                x.append((last + t) / 2 - self.zero)
                y.append(None)
            x.append(t - self.zero)
            y.append(value * scale)
            last = t
        return x, y

    @staticmethod
    def _name(series: Series) -> str:
        return " ".join(series.labels[name] for name in NAMED_BY if name in series.labels) or "all"
