"""Who is measured, and how each is started."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from bench.bodies import iris_bodies, wine_bodies
from bench.processes import free_port

Command = tuple[Sequence[str], Mapping[str, str]]


@dataclass(frozen=True)
class Contender:
    """One server under one kind of request."""

    name: str
    what: str
    path: str
    bodies: Callable[[], list[str]]
    command: Callable[[Path, int], Command]
    """Arguments and variables, for a models folder and a port."""
    predicts: bool = True
    gelf: Literal["", "taking", "hanging", "gone"] = ""
    """How the receiver is that its log records go to, if there is one."""
    scrapers: int = 0
    """How many read its metrics while it is measured."""


def _yardstick(*arguments: str) -> Callable[[Path, int], Command]:
    def command(models: Path, port: int) -> Command:
        return [sys.executable, "-m", *arguments, str(port), str(models)], {}

    return command


def _service(models: Path, port: int) -> Command:
    """Everything on, as `lab up` starts it, but for Redis: no request here is one that a cache could answer."""
    env = {"LAB_API_PORT": str(port), "LAB_METRICS_PORT": str(free_port()), "LAB_MODELS_DIR": str(models)}
    return [sys.executable, "-m", "app.api"], env


def _silent_service(models: Path, port: int) -> Command:
    arguments, own = _service(models, port)
    return arguments, {**own, "LAB_ACCESS_LOG": "false", "LAB_METRICS": "false"}


CONSTANT = Contender(
    name="constant",
    what="bare ASGI constant, same uvicorn",
    path="/predict",
    bodies=iris_bodies,
    command=_yardstick("bench.servers.constant"),
    predicts=False,
)
NAIVE_IRIS = Contender(
    name="naive-iris",
    what="FastAPI def endpoint, scikit-learn's predict for each request",
    path="/predict",
    bodies=iris_bodies,
    command=_yardstick("bench.servers.naive", "iris"),
)
OURS_IRIS = Contender(
    name="ours-iris",
    what="the service, all telemetry on",
    path="/predict",
    bodies=iris_bodies,
    command=_service,
    gelf="taking",
)
SILENT_IRIS = Contender(
    name="silent-iris",
    what="the service, no metrics, no access log",
    path="/predict",
    bodies=iris_bodies,
    command=_silent_service,
)
SCRAPED_IRIS = replace(
    OURS_IRIS,
    name="scraped-iris",
    what="the service, all telemetry on, scraped by 50 at the same moment of each second",
    scrapers=50,
)
HANGING_IRIS = replace(OURS_IRIS, name="hung-sink", what="the service, its log receiver hangs", gelf="hanging")
GONE_IRIS = replace(OURS_IRIS, name="no-sink", what="the service, its log receiver is gone", gelf="gone")
NAIVE_FOREST = Contender(
    name="naive-forest",
    what="FastAPI def endpoint, scikit-learn's predict for each request (100 trees, no batches)",
    path="/predict",
    bodies=wine_bodies,
    command=_yardstick("bench.servers.naive", "forest"),
)
OURS_FOREST = Contender(
    name="ours-forest",
    what="the service, micro-batches, no body twice so that no cache answers",
    path="/models/forest/predict",
    bodies=wine_bodies,
    command=_service,
    gelf="taking",
)
GROUPS = {
    "iris": (CONSTANT, NAIVE_IRIS, OURS_IRIS),
    "telemetry": (SILENT_IRIS, OURS_IRIS),
    "scrapes": (OURS_IRIS, SCRAPED_IRIS),
    "sinks": (OURS_IRIS, HANGING_IRIS, GONE_IRIS),
    "forest": (NAIVE_FOREST, OURS_FOREST),
}
"""Who is measured together, by the word for `--only`."""
