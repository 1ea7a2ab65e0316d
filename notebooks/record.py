"""Records the samples that the notebooks use when no stack is up: python -m notebooks.record, with a stack up.

It puts a load on that stack that has something to show, then runs each notebook and keeps what it was told.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil

from labkit.errors import CannotRun
from labkit.home import Home, find_home
from labkit.notebooks.executing import execute
from labkit.notebooks.shelf import notebook, notebooks
from labkit.report.history import find_run
from labkit.report.queries import PROBES
from labkit.urls import Urls, discover
from notebooks.source.opening import RECORD_TO, SAMPLES

MOST_BYTES = 200_000
RUN_FILES = {"read-a-load-test": ("requests.json", "timeline.jsonl", "generator.json")}
"""What a notebook needs of its run beside run.json."""
RUN_FACTS = ("id", "scenario", "slo", "started", "ended", "mode", "edge", "seed", "users", "processes", "versions")
"""What is kept of run.json: nothing of the machine."""
LOAD: Mapping[str, tuple[str, ...]] = {
    "read-a-load-test": ("smoke", "--rate", "40", "--users", "4", "--duration", "30s"),
    "performance-analysis": ("forest-capacity", "--duration", "40s"),
    "logs": ("smoke", "--rate", "2", "--duration", "90s"),
}
FREEZE = {"read-a-load-test": (24.0, 1.5)}
"""When the service stands still (s after `lab load` was called, whose start takes some), and for how long."""


def main(names: list[str]) -> None:
    """Record all notebooks, or those that are named. Raises CannotRun without a stack."""
    home, urls = find_home(), discover()
    for name in names or [one.stem for one in notebooks(home)]:
        record(name, home, urls)
        print(f"recorded {name}", flush=True)


def record(name: str, home: Home, urls: Urls) -> None:
    """Load the stack as this notebook needs it, run it, and keep what it used. Raises CannotRun."""
    folder = SAMPLES / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if name in LOAD:
        load(name, urls)
        keep_run(find_run(None, home.runs), folder / "run", RUN_FILES.get(name, ()))
    executed = execute(
        notebook(home, name), home.lab / "notebooks" / f"{name}.ipynb", home, {**os.environ, RECORD_TO: str(SAMPLES)}
    )
    if executed.failed:
        raise CannotRun(f"{name}: {executed.failed}; next: open {executed.file}")
    if name == "logs":
        facts = json.loads((folder / "run" / "run.json").read_text(encoding="utf-8"))
        keep_logs(Path("/" + (urls.logs or "").removeprefix("sqlite://").lstrip("/")), folder / "logs", facts)
    (folder / "recorded.json").write_text(json.dumps({"at": int(time.time())}) + "\n", encoding="utf-8")
    for file in folder.rglob("*"):
        if file.is_file() and file.stat().st_size > MOST_BYTES:
            raise CannotRun(f"{file} has {file.stat().st_size:,} bytes, at most {MOST_BYTES:,}; next: a shorter load")


def load(name: str, urls: Urls) -> None:
    """Run the notebook's scenario on the stack; some need a service that stands still for a moment."""
    lab = Path(sys.executable).parent / "lab"
    replicas = [pid for part, pid in urls.pids.items() if part.startswith("api-")] if name in FREEZE else []
    with ThreadPoolExecutor(1) as beside:
        frozen = beside.submit(stand_still, replicas, *FREEZE.get(name, (0.0, 0.0)))
        done = subprocess.run([lab, "load", *LOAD[name]], capture_output=True, text=True, timeout=300, check=False)
        frozen.result()
    if done.returncode not in (0, 1):  # 1: an objective was missed, which is what some of them show
        raise CannotRun(f"{name}: lab load {' '.join(LOAD[name])} failed: {done.stderr.strip()}; next: lab status")


def stand_still(pids: list[int], after: float, seconds: float) -> None:
    """Stop processes for a while and let them go on."""
    time.sleep(after)
    processes = [psutil.Process(pid) for pid in pids]
    for process in processes:
        process.suspend()
    time.sleep(seconds)
    for process in processes:
        process.resume()


def keep_run(run: Path, folder: Path, files: Iterable[str]) -> None:
    """Copy run.json without what is the machine's own, and these files as they are."""
    folder.mkdir()
    facts: dict[str, Any] = json.loads((run / "run.json").read_text(encoding="utf-8"))
    kept = {key: facts[key] for key in RUN_FACTS if key in facts}
    (folder / "run.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    for file in files:
        shutil.copyfile(run / file, folder / file)


def keep_logs(store: Path, folder: Path, run: Mapping[str, Any]) -> None:
    """Copy the records of a run, without those of probes, as a file of the same kind."""
    folder.mkdir()
    for segment in sorted(store.glob("[0-9]*.db")):
        copy = folder / segment.name
        with closing(sqlite3.connect(f"file:{segment}?mode=ro", uri=True)) as found:
            found.execute("VACUUM INTO ?", [str(copy)])
        with closing(sqlite3.connect(copy)) as kept:
            kept.execute("DELETE FROM records WHERE time < ? OR time >= ?", [run["started"], run["ended"] + 2])
            kept.execute("DELETE FROM records WHERE route IN (SELECT value FROM json_each(?))", [json.dumps(PROBES)])
            kept.execute("INSERT INTO words(words) VALUES ('rebuild')")
            left = kept.execute("SELECT count(*) FROM records").fetchone()[0]
            kept.commit()
            kept.execute("PRAGMA journal_mode=DELETE")
            kept.execute("VACUUM")
        if not left:
            copy.unlink()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except CannotRun as error:
        sys.exit(f"record: {error}")
