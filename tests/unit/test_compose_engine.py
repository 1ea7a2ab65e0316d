"""What the Compose engine reads and decides; what it does to containers is tried in tests/docker."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.engines import compose_stack
from labkit.engines.compose_project import Project
from labkit.engines.compose_stack import chosen, reached
from labkit.engines.deployment import looker, starter, stopper
from labkit.engines.docker import size_of
from labkit.engines.edge_view import EdgeView
from labkit.engines.engine import check_weight
from labkit.engines.preparation import prepare
from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack import control
from labkit.urls import Urls, publish, running, withdraw

METRICS = b"""# TYPE traefik_config_last_reload_success gauge
traefik_config_last_reload_success 1.795294242e+09
traefik_service_server_up{service="stable@http",url="http://172.21.0.4:8000"} 1
traefik_service_server_up{service="stable@http",url="http://172.21.0.5:8000"} 0
traefik_service_server_up{service="canary@http",url="http://172.21.0.9:8000"} 1
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path, tmp_path / ".lab")


@pytest.fixture
def edge() -> Iterator[str]:
    """Serves Traefik's metrics; yields the address."""

    class Metrics(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(METRICS)

        def log_message(self, *_: object) -> None:
            """A test says nothing of requests."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metrics) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_the_edge_tells_who_gets_requests(edge: str) -> None:
    view = EdgeView(f"{edge}/metrics")
    assert view.servers("stable") == {"172.21.0.4"}
    assert view.servers("canary") == {"172.21.0.9"}
    assert view.last_change() == 1795294242


def test_an_edge_that_is_away_knows_nobody() -> None:
    view = EdgeView("http://127.0.0.1:1/metrics")
    assert view.servers("stable") == frozenset()
    assert view.last_change() == 0


@pytest.mark.parametrize("weight", [-1, 101])
def test_a_canary_gets_no_more_than_everything(weight: int) -> None:
    with pytest.raises(CannotRun, match=f"not {weight}"):
        check_weight(weight)


@pytest.mark.parametrize(
    ("asked", "profiles"),
    [((), ("stream", "logs")), (("core",), ()), (("cluster", "logs"), ("cluster", "logs")), (("ui", "ui"), ("ui",))],
)
def test_profiles_are_those_asked_for_or_queue_and_logs(asked: tuple[str, ...], profiles: tuple[str, ...]) -> None:
    assert chosen(asked) == profiles


def test_two_kinds_of_kafka_and_unknown_profiles_are_refused() -> None:
    with pytest.raises(CannotRun, match="stream and cluster exclude each other"):
        chosen(("stream", "cluster"))
    with pytest.raises(CannotRun, match="no profile 'search'"):
        chosen(("search",))


def test_services_are_told_only_of_what_is_there() -> None:
    assert reached(()) == {"LAB_KAFKA_SERVERS": "", "LAB_KAFKA_COPIES": "1", "LAB_LOGS_TO": ""}
    assert reached(("cluster", "logs")) == {
        "LAB_KAFKA_SERVERS": "kafka:9092",
        "LAB_KAFKA_COPIES": "3",
        "LAB_LOGS_TO": "udp://collector:12201",
    }
    assert reached(("stream", "graylog"))["LAB_LOGS_TO"] == "udp://graylog:12201"


@pytest.mark.parametrize(
    ("text", "size"), [("12.5MiB", 13107200), ("1GiB", 2**30), ("0B", 0), ("640kB", 640000), ("--", None), ("", None)]
)
def test_sizes_are_read_as_docker_writes_them(text: str, size: int | None) -> None:
    assert size_of(text) == size


def test_nothing_can_be_done_before_lab_init(home: Home) -> None:
    with pytest.raises(CannotRun, match="next: lab init"):
        Project(home, {}, lambda _: None)


def test_compose_sees_nothing_that_this_shell_has_exported_for_the_lab(home: Home, tmp_path: Path) -> None:
    prepare(home, {})
    told = tmp_path / "compose"
    told.write_text("#!/bin/sh\nenv\n")
    told.chmod(0o755)
    exported = {"LAB_KAFKA": "wrong:1", "LAB_EDGE_PORT": "1", "LAB_COMPOSE": str(told), "PATH": "/usr/bin:/bin"}
    project = Project(home, exported, lambda _: None)
    seen = project.compose("up", profiles=("logs",))
    assert "wrong:1" not in seen
    assert "LAB_EDGE_PORT" not in seen
    assert "COMPOSE_PROFILES=logs" in seen
    assert "COMPOSE_PROJECT_NAME=observability-lab" in seen


def test_a_published_deployment_is_found_while_somebody_listens(home: Home, edge: str) -> None:
    publish(home, Urls(service=edge, engine="compose"))
    assert running(home) == Urls(service=edge, engine="compose")
    publish(home, Urls(service="http://127.0.0.1:1", engine="compose"))
    assert running(home) is None
    withdraw(home)
    assert running(home) is None


def test_each_command_goes_to_the_engine_that_is_up(home: Home, edge: str) -> None:
    assert starter(None, home) is control.start
    assert stopper(None, home) is control.stop
    publish(home, Urls(service=edge, engine="compose"))
    assert starter("compose", home) is compose_stack.start
    assert stopper(None, home) is compose_stack.stop
    assert looker(None, home) is compose_stack.look
    with pytest.raises(CannotRun, match="engine compose is up here; next: lab down"):
        starter(None, home)


def test_what_has_fallen_is_still_ended_by_its_own_engine(home: Home) -> None:
    publish(home, Urls(service="http://127.0.0.1:1", engine="compose"))
    assert stopper(None, home) is compose_stack.stop


def test_an_unknown_engine_is_refused_with_those_there_are(home: Home) -> None:
    with pytest.raises(CannotRun, match="process, compose, swarm, k8s"):
        starter("podman", home)
