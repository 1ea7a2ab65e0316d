"""docker-compose.yml read as a file: what it pins, publishes, limits and shares; no Docker engine is asked."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
OURS = "observability-lab"
# Published on loopback, with the offsets from the port base that the embedded stack has.
PORT = re.compile(r"127\.0\.0\.1:\$\{(LAB_[A-Z0-9_]+_PORT):-(\d+)\}:\d+(/udp)?")
LIMITS = ("mem_limit", "cpus", "pids_limit")
CONFINED = {"cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"], "read_only": True}


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return found


def tags() -> set[str]:
    lines = (ROOT / "requirements" / "images.txt").read_text(encoding="utf-8").splitlines()
    return {line.replace("=", ":", 1) for line in lines if line and not line.startswith("#")}


COMPOSE = read("docker-compose.yml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_ours_or_pinned_in_the_list(name: str) -> None:
    image = SERVICES[name]["image"]
    if image.startswith(OURS):
        assert image in {"observability-lab:${LAB_RELEASE:-dev}", "observability-lab-load:${LAB_LOAD_RELEASE:-dev}"}
    else:
        assert image in tags()


def test_no_listed_image_is_the_latest() -> None:
    assert all(re.fullmatch(r"[a-z0-9./_-]+:[A-Za-z0-9._-]*\d[A-Za-z0-9._-]*", one) for one in tags())


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_by_a_variable_that_lab_init_writes(name: str) -> None:
    from labkit.engines.env_file import PORTS
    from labkit.stack.ports import DEFAULT_BASE

    for port in SERVICES[name].get("ports", ()):
        found = PORT.fullmatch(port)
        assert found, port
        assert int(found[2]) == DEFAULT_BASE + PORTS[found[1]]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_limited_checked_and_its_log_bounded(name: str) -> None:
    service = SERVICES[name]
    assert all(service.get(limit) for limit in LIMITS)
    assert service["healthcheck"]["test"]
    assert service["logging"]["driver"] == "json-file"
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", [name for name in SERVICES if SERVICES[name]["image"].startswith(OURS)])
def test_our_own_services_have_no_exceptions(name: str) -> None:
    service = SERVICES[name]
    assert {key: service[key] for key in CONFINED} == CONFINED
    assert service["user"] == "10001:10001"
    assert "cap_add" not in service


def test_only_what_publishes_a_port_is_in_the_network_that_leads_outside() -> None:
    inside = {name for name, network in COMPOSE["networks"].items() if (network or {}).get("internal")}
    (outside,) = set(COMPOSE["networks"]) - inside
    options = COMPOSE["networks"][outside]["driver_opts"]
    assert options == {"com.docker.network.bridge.enable_ip_masquerade": "false"}
    for name, service in SERVICES.items():
        assert service["networks"], f"{name} would be in the default network"
        assert (outside in service["networks"]) == ("ports" in service), name


def test_no_password_stands_in_the_file() -> None:
    wrong = re.compile(r"PASSWORD|SECRET|TOKEN|_URI$|_URL$")
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if wrong.search(variable) and not variable.endswith("_FILE"):
                assert "@" not in str(value), f"{name}: {variable}"
                assert not re.search(r"PASSWORD|SECRET|TOKEN", variable), f"{name}: {variable}"


def test_every_secret_is_a_file_that_lab_init_makes() -> None:
    from labkit.engines.secrets import OWN_KEY, PASSWORDS, following

    made = {OWN_KEY, *PASSWORDS, *following(dict.fromkeys(PASSWORDS, "x"))}
    assert set(COMPOSE["secrets"]) <= made
    for name, secret in COMPOSE["secrets"].items():
        assert secret["file"] == "${LAB_SECRETS:?next: lab init}/" + name
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", ())}
    assert used == set(COMPOSE["secrets"])


def test_the_files_that_are_mounted_are_there() -> None:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), f"{name}: {source}"
            elif not source.startswith(("/", "${", '"')):
                assert source in COMPOSE["volumes"], f"{name}: {source}"


def test_nothing_waits_for_anything() -> None:
    assert not [name for name, service in SERVICES.items() if "depends_on" in service]


def test_docker_compose_1_29_knows_every_key() -> None:
    """Later parts of the format which that version refuses; it is started with the file in tests/docker."""
    refused = {"name", "include", "models"}
    assert not refused & set(COMPOSE)
    for service in SERVICES.values():
        assert not {"develop", "provider", "annotations", "attach", "post_start", "pre_stop"} & set(service)
        assert "start_interval" not in service["healthcheck"]


def test_containers_are_scraped_as_processes_are() -> None:
    processes, containers = read("monitoring/prometheus/prometheus.yml"), None
    containers = read("monitoring/prometheus/prometheus.containers.yml")
    assert containers["global"] == processes["global"]
    assert containers["rule_files"] == processes["rule_files"]

    def intervals(of: dict[str, Any]) -> list[tuple[str, ...]]:
        keys = ("job_name", "scrape_interval", "scrape_timeout")
        return [tuple(job.get(key, "") for key in keys) for job in of["scrape_configs"]]

    own = [job for job in intervals(processes) if job[0] == "work"]
    assert len(own) == 1, "what a student runs on this machine, out of a container's reach"
    assert intervals(containers) == [job for job in intervals(processes) if job not in own]


def test_every_scraped_name_is_a_service_or_an_alias() -> None:
    aliases = {
        alias
        for service in SERVICES.values()
        if isinstance(service["networks"], dict)
        for network in service["networks"].values()
        for alias in (network or {}).get("aliases", ())
    }
    names: set[str] = {"127.0.0.1"}
    for job in read("monitoring/prometheus/prometheus.containers.yml")["scrape_configs"]:
        for found in job.get("dns_sd_configs", ()):
            assert set(found["names"]) <= {*SERVICES, *aliases}
        names |= {target.partition(":")[0] for static in job.get("static_configs", ()) for target in static["targets"]}
    assert names - {"127.0.0.1"} <= set(SERVICES)


def test_the_edge_of_containers_is_the_same_but_for_its_log(tmp_path: Path) -> None:
    """Runs the part of the entry script that changes traefik.yml."""
    script = (ROOT / "traefik" / "in-container.sh").read_text(encoding="utf-8")
    command = next(line for line in script.splitlines() if line.startswith("sed "))
    made = tmp_path / "traefik.yml"
    source = ROOT / "traefik" / "traefik.yml"
    shell = command.replace("/etc/traefik/traefik.yml", str(source)).replace("/tmp/traefik.yml", str(made))
    subprocess.run(["sh", "-eu", "-c", f"log=/var/log/traefik/access.log; {shell}"], check=True)
    before, after = yaml.safe_load(source.read_text()), yaml.safe_load(made.read_text())
    assert after["accessLog"].pop("filePath") == "/var/log/traefik/access.log"
    assert before["accessLog"].pop("filePath") == ""
    assert after == before
