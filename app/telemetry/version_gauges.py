"""Gauges of the versions that are loaded: they come and go with them."""

from typing import Generic, TypeVar

from app.core.registry import Registry, Served
from app.core.serving import HeavyModel, ServedModel
from app.telemetry.metrics import Metrics

S = TypeVar("S", bound=Served)


class TrafficGauges(Generic[S]):
    """The share of the requests that each version gets."""

    def __init__(self, metrics: Metrics, registry: Registry[S]) -> None:
        self._metrics = metrics
        self._registry = registry

    def added(self, served: S) -> None:
        name, version = served.info.name, served.info.version
        split = self._registry.model(name)
        self._metrics.gauge("model_traffic_share", lambda: split.traffic.get(version, 0.0), name, version)

    def dropped(self, served: S) -> None:
        self._metrics.forget_gauge("model_traffic_share", served.info.name, served.info.version)


class QueueGauges:
    """The rows that wait for each version of a heavy model."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def added(self, served: ServedModel) -> None:
        if isinstance(served, HeavyModel):
            info = served.info
            self._metrics.gauge("model_queue_rows", lambda: served.queued_rows, info.name, info.version)

    def dropped(self, served: ServedModel) -> None:
        self._metrics.forget_gauge("model_queue_rows", served.info.name, served.info.version)
