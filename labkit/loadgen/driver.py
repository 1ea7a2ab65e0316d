"""One run from outside: a folder, the counters before, locust as a child process, the counters after."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from labkit.errors import CannotRun
from labkit.home import Home, find_home
from labkit.loadgen import counters
from labkit.loadgen.ledger import write_json
from labkit.loadgen.place import Place
from labkit.loadgen.processes import end_group
from labkit.loadgen.progress import LiveLine, OnProgress, TimelineReader
from labkit.loadgen.queue import BACKLOG_WITHIN, Queue
from labkit.loadgen.recorder import JOB
from labkit.loadgen.run_logs import RunLogs
from labkit.loadgen.run_marks import RunMarks
from labkit.loadgen.scenario import (
    Scenario,
    adjusted,
    find_scenario,
    loadtests_folder,
    objectives_of,
    read_scenario,
    schedule_shape,
    to_dict,
)
from labkit.loadgen.slo import Objectives
from labkit.urls import Urls

PACKAGES = ("locust", "gevent", "geventhttpclient", "hdrhistogram")
POLL = 0.25
STOP_WITHIN = 20.0
START_WITHIN = 60.0


class Interrupted(KeyboardInterrupt):
    """Ctrl-C ended a run early; `folder` holds what was measured until then."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"interrupted; what was measured is in {folder}")
        self.folder = folder


def drive(
    scenario: str | Path,
    urls: Urls,
    *,
    home: Home | None = None,
    users: int | None = None,
    rate: float | None = None,
    duration: float | None = None,
    seed: int | None = None,
    processes: int | None = None,
    on_progress: OnProgress | None = None,
    place: Place | None = None,
) -> Path:
    """Run a scenario against a service and return the run's folder.

    `home` is where scenarios are and runs go, found from the package when not given; `place` is where locust works,
    this machine when not given. Ctrl-C (or SIGTERM turned into SystemExit) ends the run early: the folder is complete
    and marked interrupted, then Interrupted (or that SystemExit) is raised. Without `on_progress` a live line is shown
    on stderr. Raises CannotRun when the scenario is wrong or locust does not start.
    """
    home = home or find_home()
    path = find_scenario(scenario, home.root)
    chosen = adjusted(read_scenario(path), users=users, duration=duration, seed=seed, processes=processes)
    schedule_shape(chosen, rate)
    objectives = objectives_of(chosen, path, home.root)
    folder = new_folder(home.runs, chosen.name)
    write_json(folder / "scenario.json", to_dict(chosen))
    place = place or Here(urls, home)
    command = place.command(chosen, folder, rate)
    queue = Queue(urls, home)
    before = place.scrape()
    queue.note_before()
    run_logs = RunLogs(urls, home)
    run_logs.note_before()
    marks = RunMarks(home, folder, chosen.name, urls.grafana)
    marks.start()
    with ExitStack() as stack:
        stack.callback(marks.end)
        show = on_progress or stack.enter_context(LiveLine())
        ending = place.run(command, folder, chosen, show)
    queue.note_after(within=0.0 if ending else BACKLOG_WITHIN)
    after = counters.settled(place.scrape)
    write_json(folder / "counters.json", {"before": counters.to_dict(before), "after": counters.to_dict(after)})
    if urls.kafka:
        write_json(folder / "queue.json", queue.to_dict())
    write_logs(folder, run_logs)
    write_facts(folder, chosen, objectives, urls, rate, command)
    if isinstance(ending, KeyboardInterrupt):
        raise Interrupted(folder)
    if ending is not None:
        raise ending
    return folder


class Here:
    """Locust as a child process on this machine; see Place."""

    def __init__(self, urls: Urls, home: Home) -> None:
        self._urls = urls
        self._home = home

    def scrape(self) -> dict[str, counters.Scrape]:
        return counters.scrape_all(self._urls.metrics)

    def command(self, scenario: Scenario, folder: Path, rate: float | None) -> list[str]:
        urls = self._urls
        return locust_command(scenario, urls.service, folder, self._home.root, rate, urls.locust_metrics)

    def run(self, command: list[str], folder: Path, scenario: Scenario, show: OnProgress) -> BaseException | None:
        return run_locust(command, folder, scenario, show, child_environment(folder, self._urls, self._home))


def new_folder(runs: Path, name: str) -> Path:
    """Make the folder of a run, named by time and scenario; the second one within a second gets a number."""
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    for number in range(1, 100):
        folder = runs / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise CannotRun(
                f"{folder}: cannot be made ({error.strerror}); check LAB_HOME and its permissions"
            ) from error
        return folder
    raise CannotRun(f"{runs / stem}: a hundred runs in one second; wait a second")


def locust_command(
    scenario: Scenario, host: str, folder: Path, root: Path, rate: float | None, metrics: str | None = None
) -> list[str]:
    """Return locust's command line; `metrics` is the address at which Prometheus asks for the run's numbers."""
    command = [sys.executable, "-m", "labkit.loadgen.locust_process"]
    command += ["--locustfile", str(loadtests_folder(root)), "--host", host, "--headless", "--only-summary"]
    command += ["--schedule", str(folder / "scenario.json"), "--run-dir", str(folder)]
    command += ["--users", str(scenario.users), "--spawn-rate", str(scenario.users)]
    # 100 failed requests are a result to be judged, not a failure of locust.
    command += ["--exit-code-on-error", "0", "--loglevel", "INFO"]
    command += ["--metrics-port", str(urlsplit(metrics or "").port or 0)]
    if rate is not None:
        command += ["--rate", repr(rate)]
    if scenario.mode == "closed":
        command += ["--run-time", f"{max(1, round(scenario.duration))}s"]
    if scenario.processes > 1:
        # Its own port for each run: locust's default, 5557, would join workers of two runs on one machine.
        port = str(free_port())
        command += ["--processes", str(scenario.processes), "--master-bind-host", "127.0.0.1"]
        command += ["--master-bind-port", port, "--master-port", port]
    return command


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def child_environment(folder: Path, urls: Urls, home: Home, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment without what would change the run: LOCUST_* and a ~/.locust.conf set options.

    The child finds the same stack, and with it the same API keys, as this process.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith("LOCUST_")}
    package_root = str(Path(__file__).resolve().parent.parent.parent)
    search = [package_root, *(part for part in kept.get("PYTHONPATH", "").split(os.pathsep) if part)]
    known = {"LAB_API_KEY_FILE": urls.api_key_file, "LAB_KAFKA": urls.kafka}
    kept |= {"LAB_HOME": str(home.lab), **{name: value for name, value in known.items() if value}}
    return kept | {"HOME": str(folder), "PYTHONPATH": os.pathsep.join(search), "PYTHONDONTWRITEBYTECODE": "1"}


def run_locust(
    command: list[str], folder: Path, scenario: Scenario, show: OnProgress, environment: dict[str, str]
) -> BaseException | None:
    """Run locust to its end, showing progress; return what interrupted it, or None.

    Raises CannotRun (or what interrupted it) when nothing was measured; the folder is removed then.
    """
    log = folder / "locust.log"
    reader = TimelineReader(folder / "timeline.jsonl", scenario.duration)
    ending: BaseException | None = None
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        deadline = time.monotonic() + START_WITHIN + scenario.duration + scenario.grace + STOP_WITHIN
        try:
            while child.poll() is None and time.monotonic() < deadline:
                show(reader.read())
                _wait(child, POLL)
        except (KeyboardInterrupt, SystemExit) as interruption:
            ending = interruption
        finally:
            stop(child)
    if not (folder / "generator.json").exists():
        text = last_line(log)
        shutil.rmtree(folder)
        if ending is not None:
            raise ending
        raise CannotRun(f"locust measured nothing (exit code {child.returncode}): {text}")
    return ending


def stop(child: "subprocess.Popen[bytes]") -> None:
    """End locust and its workers; while it still runs, it is asked first, so that it writes its files."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        if not _wait(child, STOP_WITHIN):
            child.kill()
            child.wait()
    end_group(child.pid, within=5.0)


def _wait(child: "subprocess.Popen[bytes]", seconds: float) -> bool:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def last_line(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"


def write_logs(folder: Path, run_logs: RunLogs) -> None:
    """Write logs.json: the run's log records as the store has them now; no file without a store."""
    generator = msgspec.json.decode((folder / "generator.json").read_bytes())
    entries = msgspec.json.decode((folder / "requests.json").read_bytes())["entries"]
    sent = [(entry["method"], entry["name"], entry["sent"]) for entry in entries if entry["method"] != JOB]
    facts = run_logs.note_after(generator["request_ids"], generator["started"], generator["ended"], sent)
    if facts is not None:
        write_json(folder / "logs.json", facts)


def write_facts(
    folder: Path, scenario: Scenario, objectives: Objectives, urls: Urls, rate: float | None, command: list[str]
) -> None:
    """Write run.json from what was asked for and what the generator measured."""
    generator: dict[str, Any] = msgspec.json.decode((folder / "generator.json").read_bytes())
    shape = schedule_shape(scenario, rate)
    resolved = to_dict(scenario)
    if shape is not None:
        resolved["segments"] = [[part.seconds, part.first, part.last] for part in shape.segments]
    facts = {
        "id": folder.name,
        "scenario": resolved,
        "slo": msgspec.to_builtins(objectives),
        "host": urls.service,
        "edge": urls.edge,
        "started": generator["started"],
        "ended": generator["ended"],
        "mode": scenario.mode,
        "seed": scenario.seed,
        "users": scenario.users,
        "processes": scenario.processes,
        "argv": sys.argv,
        "command": command,
        "versions": {"python": sys.version.split()[0], **{name: version(name) for name in PACKAGES}},
        "urls": urls.to_dict(),
        "interrupted": generator["interrupted"],
    }
    write_json(folder / "run.json", facts)
    (folder / "scenario.json").unlink(missing_ok=True)
