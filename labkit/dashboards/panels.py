"""What a panel asks, answered: its targets with variables and time filled in."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labkit.dashboards import frames
from labkit.dashboards.files import Dashboard
from labkit.dashboards.log_panels import LogDesk, log_frames
from labkit.dashboards.prometheus import MOST_SERIES, NoAnswer, Prometheus, Series
from labkit.dashboards.variables import WrongValue
from labkit.dashboards.window import Window, WrongTime, duration, interpolated, step_for, time_words

PATIENCE_S = 10.0  # for one panel, waiting for its turn included
DRAWN = frozenset({"timeseries", "stat", "gauge", "bargauge", "table", "heatmap", "logs", "barchart"})

Chosen = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Asked:
    """What a reader looks at: the dashboard, the chosen values, the time."""

    dashboard: Dashboard
    chosen: Chosen
    span: Window


@dataclass
class Answer:
    """What a panel draws; `problems` are lines for the reader. Times are epoch seconds."""

    panel: int
    start: float
    step: float
    count: int
    series: list[frames.Frame] = field(default_factory=list)
    logs: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)

    @property
    def grid(self) -> frames.Grid:
        return self.start, self.step, self.count


@dataclass(frozen=True)
class Sources:
    """Where data come from; `scrape` is the interval (s) that Grafana's data source is told as well."""

    prometheus: Prometheus
    logs: LogDesk
    scrape: float


async def answer(asked: Asked, panel: dict[str, Any], points: int, sources: Sources) -> Answer:
    """Ask for everything that one panel shows; what fails is a problem of the answer, never an error."""
    found = Answer(panel["id"], asked.span.start, max(asked.span.seconds, 1.0), 1)
    if panel.get("type") not in DRAWN:
        return found
    try:
        step = _step(asked, panel, points, sources.scrape)
        start, end, count = asked.span.aligned(step)
        found.start, found.step, found.count = start, step, count
        words = time_words(asked.span, step, sources.scrape)
        async with asyncio.timeout(PATIENCE_S):
            for target in panel.get("targets", ()):
                if not target.get("hide"):
                    await _target(asked, panel, target, words, sources, found, (start, end))
    except TimeoutError:
        found.problems.append(f"no answer within {PATIENCE_S:g} s; next: choose less time")
    except (NoAnswer, WrongValue, WrongTime) as error:
        found.problems.append(str(error))
    if len(found.series) > MOST_SERIES:
        found.problems.append(f"{len(found.series)} series; the first {MOST_SERIES} are shown")
        del found.series[MOST_SERIES:]
    return found


async def _target(
    asked: Asked,
    panel: dict[str, Any],
    target: dict[str, Any],
    words: dict[str, str],
    sources: Sources,
    found: Answer,
    ends: tuple[float, float],
) -> None:
    if _kind(panel, target) == "elasticsearch":
        query = interpolated(
            str(target.get("query") or "*"),
            words | {one.name: one.written_lucene(asked.chosen) for one in asked.dashboard.variables},
        )
        found.queries.append(query)
        await log_frames(target, query, asked.span, found.grid, sources.logs, found.series, found.logs)
        return
    query = interpolated(
        str(target.get("expr", "")), words | {one.name: one.written(asked.chosen) for one in asked.dashboard.variables}
    )
    found.queries.append(query)
    ref, template = str(target.get("refId", "A")), str(target.get("legendFormat") or "")
    series: list[Series]
    if target.get("instant") and not target.get("range"):
        series = await sources.prometheus.at(query, asked.span.end)
        found.series += frames.at_once(ref, template, query, series)
        return
    series = await sources.prometheus.over_time(query, *ends, found.step)
    drawn = frames.over_time(ref, template, query, series, found.grid)
    found.series += frames.buckets(drawn) if target.get("format") == "heatmap" else drawn


def _kind(panel: dict[str, Any], target: dict[str, Any]) -> str:
    source = target.get("datasource") or panel.get("datasource") or {}
    return str(source.get("type", "prometheus")) if isinstance(source, dict) else "prometheus"


def _step(asked: Asked, panel: dict[str, Any], points: int, scrape: float) -> float:
    """Return one step for the whole panel, not under what it or one of its targets wants (else the scrape interval)."""
    wanted = [str(panel.get("interval") or ""), *(str(t.get("interval") or "") for t in panel.get("targets", ()))]
    words = {one.name: one.written(asked.chosen) for one in asked.dashboard.variables}
    least = [duration(interpolated(text, words)) for text in wanted if text]
    points = min(points, int(panel.get("maxDataPoints") or points))
    return step_for(asked.span, points, max(least, default=scrape))
