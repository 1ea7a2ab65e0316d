"""The pages served on loopback until Ctrl-C."""

import os
import re
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from labkit.dashboards.files import Shelf
from labkit.dashboards.web import Place, application
from labkit.dashboards.window import duration
from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.ports import HOST, holder, port_base
from labkit.urls import Urls, discover

OFFSET = 91
SCRAPE_S = 5.0  # what monitoring/prometheus/prometheus.yml says, when Grafana's provisioning says nothing


def place(home: Home, environ: Mapping[str, str] = os.environ, folder: Path | None = None) -> Place:
    """Find the dashboards, those of the lab unless a folder is given, and where their data are. Raises CannotRun."""
    generated = home.root / "grafana" / "dashboards"
    folder = folder or generated
    if not Shelf(folder).uids():
        next_step = "python -m grafana.generator" if folder == generated else "a folder of files UID.json"
        raise CannotRun(f"no dashboard in {folder}; next: {next_step}")
    urls = _urls(home, environ)
    if not urls.prometheus:
        raise CannotRun(
            "no Prometheus is known for this service; next: LAB_PROMETHEUS_URL=http://HOST:PORT lab dashboards"
        )
    return Place(home, folder, urls.prometheus, urls.logs, _scrape(home))


def default_port(environ: Mapping[str, str] = os.environ) -> int:
    return port_base(environ) + OFFSET


def serve(found: Place, port: int, ready: Callable[[int], None]) -> None:
    """Serve until Ctrl-C or SIGTERM; `ready` gets the port (0: one that is free) once connections are taken.

    Raises CannotRun when the port is taken.
    """
    import uvicorn

    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
        except OSError:
            who, stop = holder(port)
            raise CannotRun(f"port {port} is taken{who}; next: lab dashboards --port {port + 1}, or {stop}") from None
        listening.listen(64)
        port = listening.getsockname()[1]
        config = uvicorn.Config(
            application(found, port),
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            limit_concurrency=64,
        )
        ready(port)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])


def _urls(home: Home, environ: Mapping[str, str]) -> Urls:
    try:
        return discover(environ, home)
    except CannotRun:
        prometheus = environ.get("LAB_PROMETHEUS_URL")
        if not prometheus:
            raise
        return Urls(service="", prometheus=prometheus.rstrip("/"), logs=environ.get("LAB_LOGS_URL"))


def _scrape(home: Home) -> float:
    """Return the scrape interval that Grafana's data source is told, so that both draw the same rates."""
    for path in sorted((home.root / "grafana" / "provisioning" / "datasources").glob("*.y*ml")):
        if found := re.search(r"^\s*timeInterval:\s*[\"']?([\w.]+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            return duration(found[1])
    return SCRAPE_S
