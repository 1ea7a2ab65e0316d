"""The logs.json of a sample run: what a store has when nothing was lost; tests take something away."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Facts = dict[str, Any]
SENDER, COLLECTOR = "http://127.0.0.1:18101/metrics", "http://127.0.0.1:18202/metrics"


def write_logs(run: Path, change: Callable[[Facts], None] | None = None) -> None:
    """Write what the store has of the requests in `run`, then let `change` edit it."""
    entries = json.loads((run / "requests.json").read_text(encoding="utf-8"))["entries"]
    rows = [
        {"method": entry["method"], "route": entry["name"], "status": status, "n": n}
        for entry in entries
        for status, n in entry["statuses"].items()
        if status != "0"
    ]
    total = sum(row["n"] for row in rows)
    facts: Facts = {
        "store": "sqlite:///logs",
        "begins": "4f0c5e12",
        "waited_s": 0.5,
        "requests": [{**row, "host": "api-1"} for row in rows],
        "edge": [dict(row) for row in rows],
        "jobs": {},
        "edge_alone": [],
        "edge_changed": [],
        "twice": [],
        "before": readings(written=100, received=100),
        "after": readings(written=100 + total, received=100 + total),
    }
    if change is not None:
        change(facts)
    (run / "logs.json").write_text(json.dumps(facts), encoding="utf-8")


def readings(*, written: int, received: int, dropped: int = 0, started: float = 1.0, moving: int = 0) -> Facts:
    """Return counters of one sender and of the collector."""
    sent = {"written": written, "dropped": dropped}
    samples = [_sample("log_records_total", n, sink="gelf", outcome=outcome) for outcome, n in sent.items()]
    taken = [
        _sample("gelf_received_total", received, transport="udp"),
        _sample("log_documents_total", received, outcome="stored"),
        _sample("gelf_socket_drops_total", 0),
        _sample("collector_queue_records", 0),
    ]
    start = [_sample("process_start_time_seconds", started)]
    return {
        "senders": {SENDER: {"t": 1.0, "samples": [*samples, *start]}},
        "collector": {COLLECTOR: {"t": 1.0, "samples": [*taken, *start]}},
        "moving": moving,
    }


def row(facts: Facts, part: str, route: str, status: str) -> Facts:
    """Return one row of a part, made when there is none."""
    found: Facts | None = next((r for r in facts[part] if (r["route"], r["status"]) == (route, status)), None)
    if found is None:
        found = {"method": "POST", "route": route, "status": status, "n": 0}
        facts[part].append(found)
    return found


def _sample(name: str, value: float, **labels: str) -> Facts:
    return {"name": name, "labels": labels, "value": value}
