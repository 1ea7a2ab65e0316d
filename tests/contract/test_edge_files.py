"""The files of the edge: one configuration for every engine, and what is told apart on purpose."""

from pathlib import Path
from typing import Any

import yaml

from app.telemetry.catalogue import LATENCY_BUCKETS
from labkit.stack import catalogue

ROOT = Path(__file__).parents[2]
OVERRIDE = "docker-compose.docker-provider.yml"


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return found


def test_the_docker_provider_changes_nothing_but_who_tells_of_replicas() -> None:
    ordinary, taught = read("traefik/traefik.yml"), read("traefik/traefik.docker-provider.yml")
    assert ordinary["providers"].pop("http") == {
        "endpoint": "http://discovery:9100/traefik", "pollInterval": "500ms", "pollTimeout": "2s"
    }  # fmt: skip
    assert taught["providers"].pop("docker") == {"endpoint": "tcp://docker-provider:2375", "exposedByDefault": False}
    assert ordinary == taught


def test_the_edge_measures_with_the_services_buckets() -> None:
    assert tuple(read("traefik/traefik.yml")["metrics"]["prometheus"]["buckets"]) == LATENCY_BUCKETS


def test_the_stack_of_processes_takes_out_what_containers_alone_have() -> None:
    """`lab up` replaces exact pieces of the text; each must be there once."""
    (file,) = catalogue.TRAEFIK.files
    text = (ROOT / file.source).read_text(encoding="utf-8")
    assert [text.count(piece) for piece in file.replace] == [1] * len(file.replace)


def test_labels_say_of_the_service_what_discovery_says() -> None:
    labels = read(OVERRIDE)["services"]["api"]["labels"]
    prefix = "traefik.http.services.api.loadbalancer.healthcheck."
    told = {name.removeprefix(prefix): value for name, value in labels.items() if name.startswith(prefix)}
    assert told == {"path": "/readyz", "interval": "500ms", "timeout": "3s"}
    assert read(OVERRIDE)["services"]["traefik"]["environment"] == {"LAB_EDGE_SERVICE": "api@docker"}


def test_the_proxy_before_dockers_socket_reads_containers_and_nothing_else() -> None:
    services = read(OVERRIDE)["services"]
    assert services["docker-provider"]["environment"] == {"CONTAINERS": 1, "POST": 0}
    assert services["docker-provider"]["volumes"] == ["/var/run/docker.sock:/var/run/docker.sock:ro"]
    assert not [name for name, one in services.items() if name != "docker-provider" and "docker.sock" in str(one)]
    assert read(OVERRIDE)["networks"]["provider"] == {"internal": True}


def test_what_the_override_adds_is_confined() -> None:
    services = read(OVERRIDE)["services"]
    for name in ("whoami", "docker-provider"):
        one = services[name]
        assert one["read_only"] is True, name
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert {"mem_limit", "cpus", "pids_limit"} <= one.keys(), name
        assert "ports" not in one, name
    assert services["whoami"]["user"] == "10001:10001"
