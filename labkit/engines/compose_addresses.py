"""Where this machine reaches the containers of a Compose project."""

import socket

from labkit.engines.compose_project import Container, Project
from labkit.engines.env_file import notifications_of
from labkit.stack.ports import HOST
from labkit.urls import Urls

METRICS = 9100
API = 8000
WITHIN = 0.5
BROKERS = {"kafka": "LAB_KAFKA_PORT", "kafka-legacy": "LAB_KAFKA_PORT", "kafka-1": "LAB_KAFKA_PORT"}
BROKERS |= {"kafka-2": "LAB_KAFKA_2_PORT", "kafka-3": "LAB_KAFKA_3_PORT"}


def addresses(project: Project) -> Urls:
    """Return them. Replicas and workers publish no port: their own addresses are reached from Linux alone."""
    running: dict[str, list[Container]] = {}
    for one in project.containers():
        if one.state == "running":
            running.setdefault(one.service, []).append(one)

    def at(service: str, variable: str) -> str | None:
        return f"http://{HOST}:{project.port(variable)}" if service in running else None

    api, workers = running.get("api", []), running.get("worker", [])
    counting = [*api, *running.get("api-canary", [])]
    near = reachable(counting)
    search, collector = at("elasticsearch", "LAB_ELASTICSEARCH_PORT"), at("collector", "LAB_COLLECTOR_PORT")
    brokers = [f"{HOST}:{project.port(name)}" for service, name in BROKERS.items() if service in running]
    return Urls(
        service=f"http://{HOST}:{project.port('LAB_EDGE_PORT')}",
        engine="compose",
        edge="traefik",
        replicas=_each(api, API) if near else (),
        metrics=_each(counting, METRICS, "/metrics") if near else (),
        prometheus=at("prometheus", "LAB_PROMETHEUS_PORT"),
        alertmanager=at("alertmanager", "LAB_ALERTMANAGER_PORT"),
        alerts=str(notifications_of(project.home) / "notifications.jsonl") if "alerts" in running else None,
        kafka=",".join(brokers) or None,
        workers=_each(workers, METRICS) if near else (),
        worker_metrics=_each(workers, METRICS, "/metrics") if near else (),
        logs=search if collector else None,
        collector_metrics=f"{collector}/metrics" if collector else None,
        elasticsearch=search,
        grafana=at("grafana", "LAB_GRAFANA_PORT"),
        api_key_file=str(project.home.secrets / "api-key"),
    )


def reachable(containers: list[Container]) -> bool:
    """Tell whether this machine can connect to containers at their own addresses: one of them says it for all."""
    if not containers:
        return False
    try:
        socket.create_connection((_address(containers[0]), METRICS), WITHIN).close()
    except OSError:
        return False
    return True


def _address(container: Container) -> str:
    return container.addresses.get("monitoring") or next(iter(container.addresses.values()))


def _each(containers: list[Container], port: int, path: str = "") -> tuple[str, ...]:
    return tuple(f"http://{_address(one)}:{port}{path}" for one in containers)
