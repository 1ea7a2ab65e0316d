"""The addresses of a running stack, whichever engine runs it."""

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from labkit.errors import CannotRun
from labkit.home import Home, find_home
from labkit.stack.record import read_record, write_whole

DEPLOYED = "deployed.json"
LISTENS_WITHIN = 1.0

ONE = {  # one address each
    "LAB_ENGINE": "engine",
    "LAB_SERVICE_URL": "service",
    "LAB_EDGE": "edge",
    "LAB_PROMETHEUS_URL": "prometheus",
    "LAB_ALERTMANAGER_URL": "alertmanager",
    "LAB_ALERTS_FILE": "alerts",
    "LAB_REDIS_URL": "redis",
    "LAB_REDIS_JOBS_URL": "redis_jobs",
    "LAB_KAFKA": "kafka",
    "LAB_DATABASE_URL": "database",
    "LAB_LOGS_URL": "logs",
    "LAB_GELF_URL": "gelf",
    "LAB_COLLECTOR_METRICS_URL": "collector_metrics",
    "LAB_ELASTICSEARCH_URL": "elasticsearch",
    "LAB_LOCUST_METRICS_URL": "locust_metrics",
    "LAB_GRAFANA_URL": "grafana",
    "LAB_API_KEY_FILE": "api_key_file",
}
MANY = {  # comma-separated lists
    "LAB_REPLICA_URLS": "replicas",
    "LAB_METRICS_URLS": "metrics",
    "LAB_WORKER_URLS": "workers",
    "LAB_WORKER_METRICS_URLS": "worker_metrics",
}


@dataclass(frozen=True)
class Urls:
    """Addresses of a stack; what it does not have is None or empty."""

    service: str
    engine: str = "external"
    edge: str = "unknown"
    replicas: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    prometheus: str | None = None
    alertmanager: str | None = None
    alerts: str | None = None
    redis: str | None = None
    redis_jobs: str | None = None
    kafka: str | None = None
    workers: tuple[str, ...] = ()
    worker_metrics: tuple[str, ...] = ()
    database: str | None = None
    logs: str | None = None
    gelf: str | None = None
    collector_metrics: str | None = None
    elasticsearch: str | None = None
    locust_metrics: str | None = None
    grafana: str | None = None
    api_key_file: str | None = None
    pids: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the machine's view, in the order in which `lab urls --json` prints it."""
        facts = asdict(self)
        order = ("engine", "service", "edge", "replicas", "metrics")
        return {name: facts[name] for name in (*order, *(n for n in facts if n not in order))}

    def api_key(self, environ: Mapping[str, str] = os.environ) -> str | None:
        """Return the key for what stores data: LAB_API_KEY, else the content of the key file, else None."""
        if key := environ.get("LAB_API_KEY"):
            return key
        if self.api_key_file is None:
            return None
        try:
            return Path(self.api_key_file).read_text(encoding="ascii").strip()
        except OSError:
            return None


def from_dict(facts: Mapping[str, Any]) -> Urls:
    """Read what `to_dict` wrote."""
    known = {name: facts[name] for name in Urls.__dataclass_fields__ if name in facts}
    for name in MANY.values():
        known[name] = tuple(known.get(name, ()))
    return Urls(**known)


def discover(environ: Mapping[str, str] = os.environ, home: Home | None = None) -> Urls:
    """Return the addresses of the stack that `lab up` left running, each overridable by its LAB_* variable.

    A LAB_SERVICE_URL that is not one of that stack's own addresses means another deployment: then nothing of
    the local stack is assumed. Raises CannotRun when no stack runs and LAB_SERVICE_URL is not set.
    """
    wanted = environ.get("LAB_SERVICE_URL", "").rstrip("/")
    urls = running(home or find_home(environ))
    if wanted and (urls is None or wanted not in (urls.service, *urls.replicas)):
        urls = Urls(service=wanted)
    if urls is None:
        raise CannotRun("no stack is up here; next: lab up (another deployment: set LAB_SERVICE_URL)")
    changes: dict[str, Any] = {name: environ[var].rstrip("/") for var, name in ONE.items() if environ.get(var)}
    for var, name in MANY.items():
        if environ.get(var):
            changes[name] = tuple(part.strip().rstrip("/") for part in environ[var].split(",") if part.strip())
    return replace(urls, **changes)


def running(home: Home) -> Urls | None:
    """Return the addresses of the stack that runs from this folder, None when none does."""
    record = read_record(home.run)
    if record is not None and record.alive():
        return _read(home.run / "urls.json")
    deployed = published(home)
    return deployed if deployed is not None and _listens(deployed.service) else None


def publish(home: Home, urls: Urls) -> None:
    """Keep the addresses of a deployment that is no process of ours, for the commands that come after."""
    home.run.mkdir(parents=True, exist_ok=True)
    write_whole(home.run / DEPLOYED, json.dumps(urls.to_dict(), indent=1))


def published(home: Home) -> Urls | None:
    """Return what was published, whether or not that deployment is still there."""
    return _read(home.run / DEPLOYED)


def withdraw(home: Home) -> None:
    """Forget what was published."""
    (home.run / DEPLOYED).unlink(missing_ok=True)


def _read(file: Path) -> Urls | None:
    try:
        return from_dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _listens(url: str) -> bool:
    """Tell whether somebody listens there: engines end deployments without asking us."""
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname or "", address.port or 80), LISTENS_WITHIN).close()
    except OSError:
        return False
    return True
