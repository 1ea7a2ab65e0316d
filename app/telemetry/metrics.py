"""Metrics of one process: what the catalogue lists, counted cheaply, shown in Prometheus' text format.

The hot path's series are plain integers and lists, written only by the event loop's thread and read when somebody
scrapes; a prometheus_client child costs three times as much per request, and there are five a request. Their text is
our own too: what stands before a value never changes, and is put together once. A scrape is answered by the event loop
that serves predictions, and the library needs 5 ms for 600 lines, this 0.4 ms (of which most is /proc).
"""

from bisect import bisect_left
from collections.abc import Callable

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.utils import floatToGoString

from app.telemetry.catalogue import BY_NAME, CATALOGUE, Kind, Metric

CONTENT_TYPE = CONTENT_TYPE_LATEST


_go_float: Callable[[float], str] = floatToGoString  # published without types


class UnknownMetric(Exception):
    """Code asked for a metric or a label that the catalogue does not list."""


class Counter:
    """One counter series."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def add(self, amount: int = 1) -> None:
        self.value += amount


class Histogram:
    """One histogram series: `counts[i]` holds the values in (bounds[i-1], bounds[i]], the last one those above."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Metrics:
    """The series of one process, found by metric name and label values, and shown on a scrape."""

    def __init__(self) -> None:
        self._counters: dict[str, dict[tuple[str, ...], Counter]] = {}
        self._histograms: dict[str, dict[tuple[str, ...], Histogram]] = {}
        self._gauges: dict[str, dict[tuple[str, ...], Callable[[], float]]] = {}
        self._starts: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        PlatformCollector(registry=self._process)

    def counter(self, name: str, *labels: str) -> Counter:
        """Return the counter series `name` with these label values, made on first use."""
        _listed(name, Kind.COUNTER, labels)
        return self._counters.setdefault(name, {}).setdefault(labels, Counter())

    def histogram(self, name: str, *labels: str) -> Histogram:
        """Return the histogram series `name` with these label values, made on first use."""
        metric = _listed(name, Kind.HISTOGRAM, labels)
        return self._histograms.setdefault(name, {}).setdefault(labels, Histogram(metric.buckets))

    def gauge(self, name: str, read: Callable[[], float], *labels: str) -> None:
        """Show what `read` returns at the moment of a scrape."""
        _listed(name, Kind.GAUGE, labels)
        self._gauges.setdefault(name, {})[labels] = read

    def forget_gauge(self, name: str, *labels: str) -> None:
        """Show it no more, and let go of what its value was read from."""
        self._gauges.get(name, {}).pop(labels, None)

    def exposition(self) -> bytes:
        """Return everything in Prometheus' text format."""
        lines: list[str] = []
        for metric in CATALOGUE:
            lines.append(f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind}\n")
            match metric.kind:
                case Kind.COUNTER:
                    self._show_counters(metric, lines)
                case Kind.HISTOGRAM:
                    self._show_histograms(metric, lines)
                case Kind.GAUGE:
                    self._show_gauges(metric, lines)
        return "".join(lines).encode() + generate_latest(self._process)

    # The dictionaries are copied: other threads may add series meanwhile.

    def _show_counters(self, metric: Metric, lines: list[str]) -> None:
        for labels, series in list(self._counters.get(metric.name, {}).items()):
            lines.append(f"{self._line_starts(metric, labels)[0]}{series.value}\n")

    def _show_gauges(self, metric: Metric, lines: list[str]) -> None:
        for labels, read in list(self._gauges.get(metric.name, {}).items()):
            lines.append(f"{self._line_starts(metric, labels)[0]}{_go_float(read())}\n")

    def _show_histograms(self, metric: Metric, lines: list[str]) -> None:
        for labels, series in list(self._histograms.get(metric.name, {}).items()):
            *buckets, count, total = self._line_starts(metric, labels)
            cumulative = 0
            for start, here in zip(buckets, series.counts, strict=True):
                cumulative += here
                lines.append(f"{start}{cumulative}\n")
            lines.append(f"{count}{cumulative}\n{total}{_go_float(series.total)}\n")

    def _line_starts(self, metric: Metric, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Return what stands before the value on each line of a series, put together once."""
        key = (metric.name, labels)
        starts = self._starts.get(key)
        if starts is None:
            starts = self._starts[key] = _line_starts(metric, labels)
        return starts


def metrics_of(release: str) -> Metrics:
    """Return the metrics of a service that runs this release, which they show."""
    metrics = Metrics()
    metrics.gauge("service_info", lambda: 1.0, release)
    return metrics


def _line_starts(metric: Metric, labels: tuple[str, ...]) -> tuple[str, ...]:
    pairs = dict(zip(metric.labels, labels, strict=True))
    if metric.kind is not Kind.HISTOGRAM:
        return (_line_start(metric.name, pairs),)
    bounds = (*map(str, metric.buckets), "+Inf")
    buckets = (_line_start(f"{metric.name}_bucket", {**pairs, "le": bound}) for bound in bounds)
    return (*buckets, _line_start(f"{metric.name}_count", pairs), _line_start(f"{metric.name}_sum", pairs))


def _line_start(name: str, labels: dict[str, str]) -> str:
    pairs = ",".join(f'{label}="{_escaped(value)}"' for label, value in labels.items())
    return f"{name}{{{pairs}}} " if pairs else f"{name} "


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _listed(name: str, kind: Kind, labels: tuple[str, ...]) -> Metric:
    metric = BY_NAME.get(name)
    if metric is None or metric.kind is not kind or len(metric.labels) != len(labels):
        raise UnknownMetric(f"{name}{list(labels)} as a {kind}: the catalogue has {metric}")
    return metric
