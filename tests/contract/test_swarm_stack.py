"""docker-stack.yml: what its comments promise, and that it is the stack of docker-compose.yml."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from labkit.engines.stack_file import digests

ROOT = Path(__file__).parents[2]
STACK: dict[str, Any] = yaml.safe_load((ROOT / "docker-stack.yml").read_text(encoding="utf-8"))
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
OURS = sorted(name for name, service in SERVICES.items() if service["image"].startswith("observability-lab:"))
every = pytest.mark.parametrize("name", sorted(SERVICES))


@every
def test_nothing_needs_the_routing_mesh(name: str):
    service = SERVICES[name]
    assert service["deploy"]["endpoint_mode"] == "dnsrr"
    assert {port["mode"] for port in service.get("ports", ())} <= {"host"}


@every
def test_every_service_is_confined(name: str):
    service = SERVICES[name]
    assert service["user"].partition(":")[0] not in ("", "0")
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] or name == "elasticsearch"
    assert set(service["deploy"]["resources"]["limits"]) == {"memory", "cpus", "pids"}
    assert service["healthcheck"]["test"]
    assert "security_opt" not in service  # ignored without a word
    assert "tmpfs" not in service


@pytest.mark.parametrize("name", OURS)
def test_our_services_give_up_new_privileges_themselves(name: str):
    assert SERVICES[name]["entrypoint"][:2] == ["setpriv", "--no-new-privs"]


@every
def test_a_release_that_does_not_work_is_taken_back(name: str):
    """What can run twice is replaced without a gap; a volume or a port of the node can be held by one task only."""
    service = SERVICES[name]
    update, back = service["deploy"]["update_config"], service["deploy"]["rollback_config"]
    assert update["failure_action"] == "rollback"
    assert update["monitor"]
    held = [volume for volume in service.get("volumes", ()) if isinstance(volume, str)]
    exclusive = bool(held or service.get("ports") or name == "redis")  # of two caches, each would have half
    assert update["order"] == back["order"] == ("stop-first" if exclusive else "start-first")


@every
def test_a_service_runs_what_it_runs_under_compose(name: str):
    stack, compose = SERVICES[name], COMPOSE["services"][name]
    assert stack["image"] == compose["image"]
    if name != "elasticsearch":  # Compose has to copy its password, here a secret has the mode that it wants
        assert stack.get("command") == compose.get("command")
    assert ports_of(stack) == ports_of(compose)
    assert set(stack.get("networks", ())) == set(compose.get("networks", ()))


def ports_of(service: dict[str, Any]) -> set[tuple[str, int]]:
    """Return (variable with its default, port of the container)."""
    return {
        (port["published"], port["target"])
        if isinstance(port, dict)
        else (port.removeprefix("127.0.0.1:").rpartition(":")[0], int(port.rpartition(":")[2]))
        for port in service.get("ports", ())
    }


def test_every_secret_of_compose_is_one_of_the_stack():
    for name, service in SERVICES.items():
        wanted = set(COMPOSE["services"][name].get("secrets", ()))
        assert {secret["source"] for secret in service.get("secrets", ())} - {"api-keys.json"} == wanted, name


@pytest.mark.parametrize(
    ("service", "target", "folder"),
    [
        ("prometheus", "/etc/prometheus/rules", "monitoring/prometheus/rules"),
        ("grafana", "/etc/grafana/dashboards", "grafana/dashboards"),
    ],
)
def test_every_file_of_a_folder_is_a_config(service: str, target: str, folder: str):
    mounted = {config["target"]: config["source"] for config in SERVICES[service]["configs"]}
    for file in (path for path in (ROOT / folder).iterdir() if path.suffix in (".yml", ".json")):
        source = mounted.pop(f"{target}/{file.name}")
        assert STACK["configs"][source]["file"] == f"./{folder}/{file.name}"
    assert [place for place in mounted if place.startswith(f"{target}/")] == []


def test_configs_and_secrets_that_exist_are_all_used_and_have_a_digest_in_their_name():
    for kind in ("configs", "secrets"):
        used = {one["source"] for service in SERVICES.values() for one in service.get(kind, ())}
        assert used == set(STACK[kind])
        for name, one in STACK[kind].items():
            assert one["name"].startswith(f"${{LAB_STACK:-lab}}-{name}-${{LAB_")
            assert one["name"].endswith("_FILES:-1}")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The files that the stack names, and secrets."""
    for folder in ("traefik", "monitoring", "kafka-config", "grafana"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "docker-stack.yml", tmp_path)
    secrets = tmp_path / "secrets"
    (secrets / "keys").mkdir(parents=True)
    for name in STACK["secrets"]:
        (secrets / ("keys" if name == "api-keys.json" else ".") / name).write_text(name)
    return tmp_path


def test_an_edited_file_changes_the_digest_of_its_group_and_of_no_other(copy: Path):
    variables = {"LAB_SECRETS": str(copy / "secrets")}
    before = digests(copy, variables)
    named = {
        one["name"].rpartition("${")[2].partition(":")[0] for k in ("configs", "secrets") for one in STACK[k].values()
    }
    assert set(before) == named
    (copy / "traefik" / "dynamic.yml").write_text("http: {}")
    after = digests(copy, variables)
    assert {name for name in after if after[name] != before[name]} == {"LAB_EDGE_FILES"}
    (copy / "secrets" / "redis-url").write_text("another")
    assert {name for name, value in digests(copy, variables).items() if value != after[name]} == {"LAB_SECRET_FILES"}
