"""What the tests of the load generator share: the stand-in service as a process, and finished runs read back."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from hdrh.histogram import HdrHistogram

from labkit.home import Home
from labkit.loadgen.histograms import decoded
from labkit.urls import Urls
from tests.eventually import eventually

ROOT = Path(__file__).parents[2]
Counts = dict[tuple[str, str, str], int]


@contextmanager
def service(folder: Path, *faults: str) -> Iterator[Urls]:
    """Run the stand-in service with these faults; its counters start at 0."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.integration.load_service", str(folder), *faults]
    with (folder / "service.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        try:
            port = eventually((folder / "port").read_text, what="the stand-in's port")
            url = f"http://127.0.0.1:{port}"
            eventually(lambda: httpx.get(f"{url}/metrics", trust_env=False).status_code == 200, within=20)
            yield Urls(service=url, metrics=(f"{url}/metrics",))
        finally:
            process.kill()
            process.wait()


def home_in(folder: Path) -> Home:
    """The project with its state under `folder`."""
    return Home(ROOT, folder / "lab")


def scenario_in(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "mine.toml"
    path.write_text(f'description = "of a test"\nslo = "{ROOT}/loadtests/slo.toml"\n{text}', encoding="utf-8")
    return path


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def timeline(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "timeline.jsonl").read_text(encoding="utf-8").splitlines()]


def sent_by_status(run: Path) -> Counts:
    """What the generator sent, by method, route and status."""
    return {
        (entry["method"], entry["name"], status): count
        for entry in read_json(run / "requests.json")["entries"]
        for status, count in entry["statuses"].items()
    }


def served_by_status(run: Path) -> Counts:
    """What the service counted during the run, from counters.json."""
    both = read_json(run / "counters.json")
    counts: dict[str, Counts] = {}
    for moment in ("before", "after"):
        counts[moment] = {
            (s["labels"]["method"], s["labels"]["route"], s["labels"]["status"]): int(s["value"])
            for scrape in both[moment].values()
            for s in scrape["samples"]
            if s["name"] == "http_requests_total"
        }
    return {
        key: count - counts["before"].get(key, 0)
        for key, count in counts["after"].items()
        if count > counts["before"].get(key, 0)
    }


def all_times(run: Path, which: str) -> HdrHistogram:
    """All requests' service_time or response_time of a run."""
    from labkit.loadgen.histograms import merged

    return merged(entry[which] for entry in read_json(run / "requests.json")["entries"])


def percentile(run: Path, which: str, percent: float) -> float:
    """In seconds."""
    return float(all_times(run, which).get_value_at_percentile(percent)) / 1e6


def count_in(text: str | None) -> int:
    return int(decoded(text).get_total_count()) if text else 0


def plain_environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LAB_", "LOCUST_"))}
    return kept | more
