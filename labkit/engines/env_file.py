"""The file of variables that `docker compose` reads: where secrets and folders are, which ports, which release."""

import re
from collections.abc import Mapping
from pathlib import Path

from labkit.engines.secrets import folder_of
from labkit.home import Home
from labkit.stack.ports import DEFAULT_BASE, port_base
from labkit.stack.record import write_whole

HEAD = "# Made by `lab init` for docker-compose.yml: change what you like, it keeps what is here.\n"
# Offsets from the port base, where they are those of the embedded stack too.
PORTS = {
    "LAB_EDGE_PORT": 80,
    "LAB_EDGE_METRICS_PORT": 81,
    "LAB_ALERTS_PORT": 88,
    "LAB_PROMETHEUS_PORT": 90,
    "LAB_KAFKA_PORT": 92,
    "LAB_KAFKA_2_PORT": 93,
    "LAB_KAFKA_3_PORT": 94,
    "LAB_ALERTMANAGER_PORT": 98,
    "LAB_ELASTICSEARCH_PORT": 99,
    "LAB_COLLECTOR_PORT": 202,
    "LAB_GRAFANA_PORT": 230,
    "LAB_GRAYLOG_PORT": 231,
    "LAB_PORTAINER_PORT": 232,
    "LAB_LOCUST_PORT": 233,
}
_LINE = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)")


def file_of(home: Home) -> Path:
    """Return `.env` beside docker-compose.yml, where Compose looks by itself; another state folder has its own."""
    return home.root / ".env" if home.lab == home.root / ".lab" else home.lab / "compose.env"


def notifications_of(home: Home) -> Path:
    """Return the folder in which the container `alerts` keeps what it is told, and `lab alerts` reads it."""
    return home.data / "containers" / "alerts"


def read_variables(file: Path) -> dict[str, str]:
    """Return NAME=VALUE lines, empty without a file."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    found = (_LINE.fullmatch(line) for line in lines)
    return {one[1]: one[2].strip().strip("'\"") for one in found if one}


def make_variables(home: Home, environ: Mapping[str, str]) -> dict[str, str]:
    """Add what is missing to the file, and return all of it. Ports move when LAB_PORT_BASE is set, else they stay."""
    base = port_base(environ)
    suffix = "" if base == DEFAULT_BASE else f"-{base}"
    wanted = {
        "COMPOSE_PROJECT_NAME": environ.get("COMPOSE_PROJECT_NAME") or f"observability-lab{suffix}",
        "LAB_RELEASE": "dev",
        **{name: str(base + offset) for name, offset in PORTS.items()},
    }
    there = read_variables(file_of(home))
    if environ.get("LAB_PORT_BASE"):
        there |= {name: wanted[name] for name in PORTS}
    # Where the project was cloned to, and its state is, may have changed.
    folders = {"LAB_SECRETS": str(folder_of(home)), "LAB_NOTIFICATIONS": str(notifications_of(home))}
    set_variables(home, {**wanted, **there, **folders})
    return read_variables(file_of(home))


def set_variables(home: Home, changes: Mapping[str, str]) -> None:
    """Change these lines, and leave the others and the comments as they are."""
    file = file_of(home)
    left = dict(changes)
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else [HEAD.rstrip()]:
        found = _LINE.fullmatch(line)
        lines.append(_line(found[1], left.pop(found[1])) if found and found[1] in left else line)
    lines += [_line(name, value) for name, value in left.items()]
    text = "\n".join(lines) + "\n"
    if not file.is_file() or text != file.read_text(encoding="utf-8"):
        write_whole(file, text)


def _line(name: str, value: str) -> str:
    return f"{name}={value}" if re.fullmatch(r"[\w./:@+,-]*", value) else f"{name}='{value}'"
