"""The pages of `lab dashboards` for tests: served in this process, for a folder of dashboards of the test's own."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn

from labkit.dashboards.web import Place, application
from labkit.home import Home
from tests.eventually import eventually
from tests.service import ROOT

SOURCE = {"type": "prometheus", "uid": "prometheus"}
LOGS = {"type": "elasticsearch", "uid": "logs"}


@contextlib.contextmanager
def running_pages(place: Place) -> Iterator[str]:
    """Serve on a free port; yields the URL."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        config = uvicorn.Config(application(place, port), log_level="warning", access_log=False, lifespan="on")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            eventually(lambda: server.started, what="the pages are served")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join()


def place(folder: Path, prometheus: str, logs: str | None = None) -> Place:
    """Return a place with a state folder and dashboards of its own."""
    (folder / "dashboards").mkdir(exist_ok=True)
    return Place(Home(ROOT, folder / ".lab"), folder / "dashboards", prometheus, logs, 0.5)


def write_dashboard(folder: Path, uid: str, *panels: dict[str, Any], **facts: Any) -> Path:
    """Write a dashboard into the place's folder; panels get ids from 1 on and half the width each."""
    for n, panel in enumerate(panels):
        panel.setdefault("id", n + 1)
        panel.setdefault("gridPos", {"x": n % 2 * 12, "y": n // 2 * 8, "w": 12, "h": 8})
    model = {"uid": uid, "title": uid.capitalize(), "time": {"from": "now-5m", "to": "now"}, "panels": panels} | facts
    path = folder / "dashboards" / f"{uid}.json"
    path.write_text(json.dumps(model))
    return path


def panel(kind: str, title: str, *queries: str, legend: str = "{{replica}}", **facts: Any) -> dict[str, Any]:
    """Return a panel that asks Prometheus."""
    targets = [
        {"refId": chr(65 + n), "expr": query, "legendFormat": legend, "datasource": SOURCE}
        for n, query in enumerate(queries)
    ]
    return {"type": kind, "title": title, "datasource": SOURCE, "targets": targets} | facts


def query_variable(name: str, query: str, **facts: Any) -> dict[str, Any]:
    """Return a variable that takes its values from Prometheus, with All."""
    known = {"type": "query", "name": name, "query": query, "multi": True, "includeAll": True, "allValue": ".*"}
    return known | {"current": {"text": "All", "value": "$__all"}} | facts
