"""Run folders made by a small seeded simulation, in the format that the load generator writes.

A schedule with a step in the middle, a bounded number of users, a service that stalls once: so service time and
response time differ, as they do in a real run. Every number of a folder agrees with every other one.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from labkit.loadgen import histograms

STARTED = 1_790_000_000.0
METRICS = ("http://127.0.0.1:18101/metrics", "http://127.0.0.1:18102/metrics")
ROUTES = (("POST", "/predict", 0.6), ("POST", "/models/{model}/predict", 0.3), ("GET", "/models", 0.1))

OBJECTIVES: list[dict[str, Any]] = [
    {"name": "predict p99", "kind": "response-time", "method": "POST", "route": "/predict", "percentile": 99.0,
     "limit": 100.0, "unit": "ms"},
    {"name": "all requests p99.9", "kind": "response-time", "percentile": 99.9, "limit": 1000.0, "unit": "ms"},
    {"name": "errors", "kind": "error-ratio", "limit": 0.5, "unit": "%"},
    {"name": "offered rate kept", "kind": "achieved-rate", "limit": 99.0, "unit": "%"},
    {"name": "goodput", "kind": "goodput", "limit": 50.0, "unit": "req/s"},
]  # fmt: skip


@dataclass
class Knobs:
    """What a sample run is like; `shift_ms` makes every request slower by that much."""

    id: str = "20260921-141320-step"
    seconds: int = 60
    rates: tuple[float, ...] = (120, 260, 120)
    users: int = 24
    seed: int = 7
    median_ms: float = 3.0
    shift_ms: float = 0.0
    stall_at: float | None = 31.0
    stall_s: float = 0.7
    failing: float = 0.002
    example: str = "503 Service Unavailable: shed, retry after 1 s"
    saturated: bool = False
    mode: str = "scheduled"
    objectives: list[dict[str, Any]] = field(default_factory=lambda: [dict(one) for one in OBJECTIVES])
    prometheus: str | None = None


def write_run(runs: Path, knobs: Knobs | None = None) -> Path:
    """Write runs/<id>/ and return it."""
    knobs = knobs or Knobs()
    folder = runs / knobs.id
    folder.mkdir(parents=True)
    requests = _simulated(knobs)
    _json(folder / "run.json", _facts(knobs, requests))
    _json(folder / "requests.json", {"unit": "us", "entries": _entries(knobs, requests)})
    lines = [json.dumps(second) for second in _timeline(knobs, requests)]
    (folder / "timeline.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _json(folder / "generator.json", _generator(knobs, requests))
    _json(folder / "counters.json", _counters(requests))
    return folder


def _simulated(knobs: Knobs) -> dict[str, np.ndarray]:
    """Return the requests: intended start, send, end (seconds from the start), route index, status."""
    rng = np.random.default_rng(knobs.seed)
    part = knobs.seconds / len(knobs.rates)
    intended = np.sort(np.concatenate([
        rng.uniform(n * part, (n + 1) * part, int(rate * part)) for n, rate in enumerate(knobs.rates)
    ]))  # fmt: skip
    service = rng.lognormal(np.log(knobs.median_ms / 1000), 0.45, len(intended)) + knobs.shift_ms / 1000
    free = np.zeros(knobs.users)
    sent, ended = np.empty_like(intended), np.empty_like(intended)
    for n, when in enumerate(intended):
        user = int(free.argmin())
        sent[n] = max(when, free[user])
        done = sent[n] + service[n]
        if knobs.stall_at is not None and knobs.stall_at <= sent[n] < knobs.stall_at + knobs.stall_s:
            done = knobs.stall_at + knobs.stall_s + service[n]
        ended[n] = free[user] = done
    route = rng.choice(len(ROUTES), len(intended), p=[share for *_, share in ROUTES])
    status = np.where(rng.uniform(size=len(intended)) < knobs.failing, 503, 200)
    return {"intended": intended, "sent": sent, "ended": ended, "route": route, "status": status}


def _facts(knobs: Knobs, requests: dict[str, np.ndarray]) -> dict[str, Any]:
    return {
        "id": knobs.id,
        "scenario": {"name": knobs.id.split("-", 2)[-1], "duration": float(knobs.seconds),
                     "shape": {"kind": "steps", "rates": list(knobs.rates)}},
        "slo": {"objective": knobs.objectives},
        "host": "http://127.0.0.1:18080",
        "edge": "traefik",
        "started": STARTED,
        "ended": STARTED + float(requests["ended"].max()),
        "mode": knobs.mode,
        "seed": knobs.seed,
        "users": knobs.users,
        "processes": 1,
        "argv": ["lab", "load", "step"],
        "versions": {"python": "3.11.7", "locust": "2.43.0", "service": "0.1.0"},
        "urls": {"service": "http://127.0.0.1:18080", "prometheus": knobs.prometheus},
        "interrupted": False,
    }  # fmt: skip


def _histogram(seconds: np.ndarray) -> str:
    histogram = histograms.empty()
    histograms.record(histogram, np.maximum(seconds * 1e6, 1).astype(np.int64).tolist())
    return histograms.encoded(histogram)


def _times(knobs: Knobs, requests: dict[str, np.ndarray], chosen: np.ndarray) -> dict[str, str | None]:
    ended = requests["ended"][chosen]
    return {
        "service_time": _histogram(ended - requests["sent"][chosen]),
        "response_time": None if knobs.mode == "closed" else _histogram(ended - requests["intended"][chosen]),
    }


def _entries(knobs: Knobs, requests: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    entries = []
    for n, (method, name, _) in enumerate(ROUTES):
        chosen = requests["route"] == n
        statuses = Counter(str(status) for status in requests["status"][chosen])
        failed = statuses["503"]
        errors = [{"kind": "HTTP 503", "count": failed, "example": knobs.example}] if failed else []
        entries.append({
            "method": method, "name": name, "sent": int(chosen.sum()), "ok": int(chosen.sum()) - failed,
            "failed": failed, "statuses": {k: v for k, v in statuses.items() if v}, "errors": errors,
            **_times(knobs, requests, chosen),
        })  # fmt: skip
    return entries


def _timeline(knobs: Knobs, requests: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    seconds = {name: requests[name].astype(int) for name in ("intended", "sent", "ended")}
    lines = []
    for second in range(int(requests["ended"].max()) + 1):
        done = seconds["ended"] == second
        statuses = Counter(str(status) for status in requests["status"][done])
        busy = int(((requests["sent"] <= second + 0.5) & (requests["ended"] > second + 0.5)).sum())
        lines.append({
            "t": STARTED + second, "offered": int((seconds["intended"] == second).sum()),
            "sent": int((seconds["sent"] == second).sum()), "done": int(done.sum()), "failed": statuses["503"],
            "statuses": dict(statuses), "busy": busy, **_times(knobs, requests, done),
        })  # fmt: skip
    return lines


def _generator(knobs: Knobs, requests: dict[str, np.ndarray]) -> dict[str, Any]:
    level = 93.0 if knobs.saturated else 24.0
    rng = np.random.default_rng(knobs.seed)
    cpu = [{"t": STARTED + n, "pid": 4711, "percent": round(level + float(rng.normal(0, 2)), 1)}
           for n in range(knobs.seconds)]  # fmt: skip
    on_time = float((requests["sent"] - requests["intended"] < 0.1).mean())
    return {
        "cpu": cpu, "max_cpu_percent": max(one["percent"] for one in cpu), "intended": len(requests["sent"]),
        "sent": len(requests["sent"]), "achieved": on_time, "saturated": knobs.saturated,
        "reasons": ["generator process 4711 used 93 % CPU over 5 s (limit 80 %)"] if knobs.saturated else [],
    }  # fmt: skip


def _counters(requests: dict[str, np.ndarray]) -> dict[str, Any]:
    """Both replicas take turns; each counted some requests before the run, and a probe during it."""
    sides: dict[str, dict[str, Any]] = {"before": {}, "after": {}}
    for replica, url in enumerate(METRICS):
        mine = np.arange(len(requests["sent"])) % 2 == replica
        before: Counter[tuple[str, str, str]] = Counter({("POST", "/predict", "200"): 40, ("GET", "/readyz", "200"): 9})
        after = before + Counter({("GET", "/readyz", "200"): 30})
        for n, (method, name, _) in enumerate(ROUTES):
            for status in (200, 503):
                chosen = mine & (requests["route"] == n) & (requests["status"] == status)
                after[method, name, str(status)] += int(chosen.sum())
        for side, counted, t in (("before", before, STARTED - 1), ("after", after, STARTED + 61)):
            samples = [
                {"name": "http_requests_total", "labels": dict(zip(("method", "route", "status"), key, strict=True)),
                 "value": float(value)}
                for key, value in counted.items()
            ]  # fmt: skip
            samples.append({"name": "process_start_time_seconds", "labels": {}, "value": STARTED - 100})
            sides[side][url] = {"t": t, "samples": samples}
    return sides


def _json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")
