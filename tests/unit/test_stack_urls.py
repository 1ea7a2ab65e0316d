"""Finding a stack: its own record, or LAB_* variables."""

import json
import os
from pathlib import Path

import psutil
import pytest

from labkit.errors import CannotRun
from labkit.home import Home, find_home
from labkit.stack.record import Identity, Member, Record, identify, read_record, write_record
from labkit.urls import Urls, discover, from_dict

SERVICE = "http://127.0.0.1:18080"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "run").mkdir()
    return Home(tmp_path, tmp_path)


def record_of(supervisor: Identity) -> Record:
    member = Member("redis", "ready", Identity(5, 1.5), 18079, 2, "killed by SIGKILL")
    return Record(supervisor, None, "up", 18000, "traefik", (member,), profiles=("stream",))


def publish(home: Home, supervisor: Identity) -> None:
    write_record(home.run, record_of(supervisor))
    urls = Urls(service=SERVICE, engine="process", edge="traefik", replicas=("http://127.0.0.1:18001",), metrics=("m",))
    (home.run / "urls.json").write_text(json.dumps(urls.to_dict()))


def test_a_record_survives_its_file(home: Home) -> None:
    record = record_of(Identity(7, 2.5))
    write_record(home.run, record)
    assert read_record(home.run) == record


@pytest.mark.parametrize("text", ["", "{", "[]", '{"members": []}', "null"])
def test_a_damaged_record_counts_as_none(home: Home, text: str) -> None:
    (home.run / "record.json").write_text(text)
    assert read_record(home.run) is None


def test_a_reused_pid_is_not_the_recorded_process() -> None:
    mine = identify(os.getpid())
    assert mine.alive()
    assert not Identity(mine.pid, mine.started - 60).alive()
    assert not Identity(4_000_000, mine.started).alive()


def test_the_running_stack_is_found(home: Home) -> None:
    publish(home, identify(os.getpid()))
    urls = discover({}, home)
    assert (urls.service, urls.replicas) == (SERVICE, ("http://127.0.0.1:18001",))


def test_a_stack_whose_supervisor_is_gone_is_not_found(home: Home) -> None:
    publish(home, Identity(os.getpid(), psutil.boot_time() - 1000))
    with pytest.raises(CannotRun, match="next: lab up"):
        discover({}, home)


def test_each_field_can_be_overridden(home: Home) -> None:
    publish(home, identify(os.getpid()))
    urls = discover({"LAB_METRICS_URLS": "http://a/metrics, http://b/metrics", "LAB_PROMETHEUS_URL": "http://p/"}, home)
    assert urls.metrics == ("http://a/metrics", "http://b/metrics")
    assert urls.prometheus == "http://p"
    assert discover({"LAB_WORKER_URLS": "http://a, http://b"}, home).workers == ("http://a", "http://b")
    assert discover({"LAB_KAFKA": "a:1,b:2"}, home).kafka == "a:1,b:2"
    assert discover({"LAB_DATABASE_URL": "sqlite:///x"}, home).database == "sqlite:///x"
    assert discover({"LAB_ALERTS_FILE": "/x.jsonl"}, home).alerts == "/x.jsonl"
    assert discover({"LAB_GRAFANA_URL": "http://g/"}, home).grafana == "http://g"
    assert urls.service == SERVICE


def test_another_deployment_takes_nothing_from_the_local_stack(home: Home) -> None:
    publish(home, identify(os.getpid()))
    urls = discover({"LAB_SERVICE_URL": "https://lab.example.org/"}, home)
    assert urls == Urls(service="https://lab.example.org")


def test_a_replica_of_the_local_stack_keeps_its_other_addresses(home: Home) -> None:
    publish(home, identify(os.getpid()))
    urls = discover({"LAB_SERVICE_URL": "http://127.0.0.1:18001"}, home)
    assert urls.service == "http://127.0.0.1:18001"
    assert urls.metrics == ("m",)


def test_the_machine_view_has_the_documented_fields_and_reads_back() -> None:
    urls = Urls(service=SERVICE, replicas=("r",), workers=("w",), worker_metrics=("m",), pids={"redis": 1})
    facts = json.loads(json.dumps(urls.to_dict()))
    assert list(facts)[:5] == ["engine", "service", "edge", "replicas", "metrics"]
    assert {"redis_jobs", "kafka", "workers", "worker_metrics", "database"} <= set(facts)
    assert {"prometheus", "alertmanager", "alerts", "redis", "logs", "gelf", "api_key_file", "pids"} <= set(facts)
    assert {"collector_metrics", "elasticsearch", "locust_metrics", "grafana"} <= set(facts)
    assert from_dict(facts) == urls


def test_the_key_comes_from_the_variable_then_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "api-key").write_text("from-file\n")
    urls = Urls(service=SERVICE, api_key_file=str(tmp_path / "api-key"))
    assert urls.api_key({}) == "from-file"
    assert urls.api_key({"LAB_API_KEY": "mine"}) == "mine"
    assert Urls(service=SERVICE, api_key_file=str(tmp_path / "none")).api_key({}) is None


def test_the_state_folder_is_in_the_project_unless_lab_home_names_another(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    assert find_home({}) == Home(root, root / ".lab")
    assert find_home({"LAB_HOME": str(tmp_path)}) == Home(root, tmp_path)
