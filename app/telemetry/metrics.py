"""Metrics of one process: what the catalogue lists, counted cheaply, shown in Prometheus' text format.

The hot path's series are plain integers and lists, written only by the event loop's thread and read when somebody
scrapes; a prometheus_client child costs three times as much per request, and there are five a request.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from app.telemetry.catalogue import BY_NAME, CATALOGUE, Kind, Metric

CONTENT_TYPE = CONTENT_TYPE_LATEST


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


class Metrics(Collector):
    """The series of one process, found by metric name and label values, and collected on a scrape."""

    def __init__(self) -> None:
        self._counters: dict[str, dict[tuple[str, ...], Counter]] = {}
        self._histograms: dict[str, dict[tuple[str, ...], Histogram]] = {}
        self._gauges: dict[str, dict[tuple[str, ...], Callable[[], float]]] = {}
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

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
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Family]:
        return ()

    def collect(self) -> Iterator[Family]:
        for metric in CATALOGUE:
            match metric.kind:
                case Kind.COUNTER:
                    yield self._counter_family(metric)
                case Kind.HISTOGRAM:
                    yield self._histogram_family(metric)
                case Kind.GAUGE:
                    yield self._gauge_family(metric)

    def _counter_family(self, metric: Metric) -> Family:
        family = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, series in list(self._counters.get(metric.name, {}).items()):
            family.add_metric(labels, series.value)
        return family

    def _gauge_family(self, metric: Metric) -> Family:
        family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, read in list(self._gauges.get(metric.name, {}).items()):
            family.add_metric(labels, read())
        return family

    def _histogram_family(self, metric: Metric) -> Family:
        family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, series in list(self._histograms.get(metric.name, {}).items()):
            cumulative, buckets = 0, []
            for bound, count in zip((*map(str, series.bounds), "+Inf"), series.counts, strict=True):
                cumulative += count
                buckets.append((bound, cumulative))
            family.add_metric(labels, buckets, series.total)
        return family


def _listed(name: str, kind: Kind, labels: tuple[str, ...]) -> Metric:
    metric = BY_NAME.get(name)
    if metric is None or metric.kind is not kind or len(metric.labels) != len(labels):
        raise UnknownMetric(f"{name}{list(labels)} as a {kind}: the catalogue has {metric}")
    return metric
