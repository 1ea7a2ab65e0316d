"""The proof can fail: a real Prometheus, a target of known behaviour, panels and alerts that are right and wrong."""

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.prove.exceptions import read_exceptions
from labkit.prove.phases import Phases, phases_of
from labkit.prove.proof import Judged, Result, prove, prove_panels
from labkit.stack.obtain import SOURCES
from tests.eventually import eventually
from tests.integration.load_runs import ROOT, plain_environment
from tests.integration.test_stack_supervisor import free_port

STEP_S, SETTLE = 7.0, 2.5
SEGMENTS = [[STEP_S, 20, 20], [STEP_S, 100, 100], [STEP_S, 20, 20]]

RULES = """
groups:
- name: alerts
  interval: 500ms
  rules:
  - {alert: Watchdog, expr: 'vector(1)'}
  - {alert: TooMuchWork, expr: '(rate(work_total[2s])) > 100000 and (steady) > 50'}
  - {alert: NobodyThere, expr: 'absent(steady)'}
  - {alert: Fires, expr: '(steady) > 1'}
  - {alert: Blind, expr: '(gone) > 1'}
  - {alert: BlindBehindZero, expr: '(sum(gone) or vector(0)) > 1'}
  - {alert: JumpsAbout, expr: '(wild) > 200'}
"""
PANELS = {
    "Rate": "rate(work_total[2s])",
    "Level": "level",
    "Dead": "sum(gone)",
    "Dead behind a zero": "sum(gone) or vector(0)",
    "Flat": "steady",
    "Counter": "work_total",
    "Wild": "wild",
    "Typing error": "rate(work_total[2s]",
    "Replicas": "steady",
    "Not still": "wild",
    "Moves though steady": "level",
    "Timed": "timed",
    "Timed, a constant": "0 * timed + 3",
    "Sum": "work_total",
    "Excepted": "wild",
    "Excepted and dead": "gone",
    "Excepted and empty": "gone",
    "Two, one wrong": "level",
}
EXCEPTIONS = """
[[steady]]
uid = "board"
panels = ["Replicas", "Not still", "Moves though steady"]
reason = "their number is set by hand"

[[responds]]
uid = "board"
panels = ["Timed", "Timed, a constant"]
reason = "there only under load"

[[grows]]
uid = "board"
panels = ["Sum"]
reason = "adds up over time"

[[exception]]
uid = "board"
panels = ["Excepted", "Excepted and dead"]
reason = "needs a fault to move"

[[exception]]
uid = "board"
panels = ["Excepted and empty"]
empty = true
reason = "exists only after a fault"
"""
PROVED = {
    *("Rate", "Level", "Replicas", "Timed", "Sum", "Excepted", "Excepted and empty"),
    *("Watchdog", "TooMuchWork", "NobodyThere"),
}


@dataclass
class Target:
    """Serves metrics that do what their names say; the load is that of the segments from `began` on."""

    began: float = float("inf")
    work: float = 0.0
    seen: float = 0.0

    def load(self, now: float) -> float:
        return next((rate for n, (_, rate, _) in enumerate(SEGMENTS) if 0 <= now - self.began - n * STEP_S < STEP_S), 0)

    def metrics(self) -> str:
        now = time.time()
        load = self.load(now)
        self.work += load * (now - (self.seen or now))
        self.seen = now
        lines = [f"work_total {self.work}", f"level {load + random.gauss(0, 2)}", "steady 2"]
        lines.append(f"wild {random.uniform(0, 200)}")
        if load:
            lines.append(f"timed {random.gauss(0.02, 0.001)}")
        return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def target() -> Iterator[tuple[Target, int]]:
    facts = Target()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = facts.metrics().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield facts, server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def prometheus(target: tuple[Target, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = Home(ROOT, ROOT / ".lab")
    program = SOURCES["prometheus"].find(home) or SOURCES["prometheus"].obtain(home, lambda _: None)
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "rules.yml").write_text(RULES)
    scrape = f"scrape_configs:\n- job_name: t\n  static_configs: [{{targets: ['127.0.0.1:{target[1]}']}}]\n"
    timing = "global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 500ms}\n"
    (folder / "prometheus.yml").write_text(f"{timing}rule_files: [rules.yml]\n{scrape}")
    port = free_port()
    command = [program.path, *program.arguments, f"--config.file={folder}/prometheus.yml"]
    command += [f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        url = f"http://127.0.0.1:{port}"
        try:
            eventually(lambda: httpx.get(f"{url}/-/ready", trust_env=False).status_code == 200, within=30)
            yield url
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture(scope="module")
def run(target: tuple[Target, int], prometheus: str) -> dict[str, Any]:
    """A run whose load the target has shown, from rest to rest, and Prometheus has seen."""
    facts, _ = target
    with httpx.Client(base_url=prometheus, trust_env=False) as client:

        def at(query: str) -> list[Any]:
            answer = client.get("/api/v1/query", params={"query": query}).json()
            return list(answer["data"]["result"])

        eventually(lambda: at(f"count_over_time(level[10s]) > {STEP_S * 5}"), within=30, what="a time of rest")
        facts.began = time.time()
        ended = facts.began + 3 * STEP_S
        eventually(lambda: at(f"timestamp(level) > {ended + 0.5}"), within=60, what="the end of the load")
    return {"id": "a-run", "started": facts.began, "scenario": {"segments": SEGMENTS}}


def board(folder: Path, panels: dict[str, str]) -> Path:
    source = {"type": "prometheus", "uid": "prometheus"}
    made = [
        {"id": n, "type": "timeseries", "title": title, "datasource": source, "targets": [{"refId": "A", "expr": expr}]}
        for n, (title, expr) in enumerate(panels.items(), 1)
    ]
    for panel in made:
        if panel["title"] == "Two, one wrong":
            panel["targets"].append({"refId": "B", "expr": "steady"})  # type: ignore[attr-defined]
    folder.mkdir(exist_ok=True)
    (folder / "board.json").write_text(json.dumps({"uid": "board", "title": "Board", "panels": made}))
    return folder


def judge(folder: Path, phases: Phases, prometheus: str, panels: dict[str, str], exceptions: str) -> Result:
    (folder / "exceptions.toml").write_text(exceptions)
    kept = read_exceptions(folder / "exceptions.toml")
    return prove("a-run", phases, board(folder / "boards", panels), kept, prometheus, None, 0.2)


def test_only_what_returns_data_moves_and_stays_still_is_proved(
    run: dict[str, Any], prometheus: str, tmp_path: Path
) -> None:
    found = judge(tmp_path, phases_of(run, SETTLE), prometheus, PANELS, EXCEPTIONS)
    assert {one.title for one in found.judged if one.proved} == PROVED
    assert not found.proved
    why = {one.title: one.why for one in found.judged}
    assert "nobody has gone" in why["Dead"]
    assert "nobody has gone" in why["Dead behind a zero"]
    assert "nobody has gone" in why["BlindBehindZero"]
    assert "does not move with the load: 2, 2, 2, 2" in why["Flat"]
    assert "parse error" in why["Typing error"]
    assert why["Two, one wrong"].startswith("B: ")
    assert "fired during the standard load" in why["Fires"]
    assert "no data" in why["Excepted and dead"]
    assert "is always 3 under load" in why["Timed, a constant"]


def test_right_panels_alone_are_a_proof(run: dict[str, Any], prometheus: str, tmp_path: Path) -> None:
    """The control: the same Prometheus and the same rules that are right; nothing but what is right."""
    found = judge(tmp_path, phases_of(run, SETTLE), prometheus, {"Rate": PANELS["Rate"], "Level": "level"}, "")
    wrong = {"Fires", "Blind", "BlindBehindZero", "JumpsAbout"}
    assert {one.title for one in found.judged if not one.proved} == wrong
    assert found.problems == []
    assert Result("", "", found.phases, tuple(one for one in found.judged if one.title not in wrong), ()).proved


def test_the_panels_of_a_folder_are_judged_alone(run: dict[str, Any], prometheus: str, tmp_path: Path) -> None:
    folder = board(tmp_path / "boards", {"Rate": PANELS["Rate"], "Flat": "steady", "Dead": "gone"})
    found = prove_panels(phases_of(run, SETTLE), folder, prometheus, 0.2)
    assert [(one.title, one.proved) for one in found] == [("Rate", True), ("Flat", False), ("Dead", False)]


def test_too_many_exceptions_are_no_proof(run: dict[str, Any], prometheus: str, tmp_path: Path) -> None:
    panels = {"Excepted": "wild", "Level": "level"}
    exceptions = '[[exception]]\nuid = "board"\npanels = ["Excepted"]\nreason = "needs a fault to move"\n'
    found = judge(tmp_path, phases_of(run, SETTLE), prometheus, panels, exceptions)
    assert found.problems == ["1 exceptions of 9; at most 5% may be"]


def test_an_entry_without_its_panel_is_an_error(run: dict[str, Any], prometheus: str, tmp_path: Path) -> None:
    exceptions = '[[steady]]\nuid = "board"\npanels = ["Renamed"]\nreason = "their number is set by hand"\n'
    found = judge(tmp_path, phases_of(run, SETTLE), prometheus, {"Level": "level"}, exceptions)
    assert found.problems == ["board: Renamed is no panel and no alert any more; next: take it out of exceptions.toml"]


def test_the_command_prints_the_verdicts_and_keeps_them(run: dict[str, Any], prometheus: str, tmp_path: Path) -> None:
    folder = tmp_path / "lab" / "runs" / "a-run"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(run))
    (folder / "generator.json").write_text(json.dumps({"reasons": ["it was late"]}))
    (folder / "requests.json").write_text(json.dumps({"entries": [{"sent": 10, "failed": 0}]}))
    (tmp_path / "exceptions.toml").write_text("")
    command = [sys.executable, "-m", "labkit.cli", "prove", "dashboards", "--run", "a-run", "--settle", f"{SETTLE}s"]
    command += ["--folder", str(board(tmp_path / "boards", {"Level": "level", "Dead": "gone"}))]
    command += ["--exceptions", str(tmp_path / "exceptions.toml"), "--json"]
    environment = plain_environment(
        LAB_HOME=str(tmp_path / "lab"), LAB_SERVICE_URL="http://127.0.0.1:9", LAB_PROMETHEUS_URL=prometheus
    )
    program = "from labkit.cli import main; main()"
    end = subprocess.run(
        [sys.executable, "-c", program, *command[3:]],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert end.returncode == 1, end.stderr
    told = json.loads(end.stdout)
    verdicts = {one["title"]: one["proved"] for one in told["judged"] if one["of"] == "board"}
    assert verdicts == {"Level": True, "Dead": False}
    assert told["notes"] == ["it was late"]
    assert json.loads((folder / "prove.json").read_text()) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[steady]]\nreason = "set by hand always"\n', "give uid and panels, or alerts"),
        ('[[steady]]\npanels = ["A"]\nreason = "set by hand always"\n', "give uid and panels, or alerts"),
        ('[[steady]]\nalerts = ["A"]\nreason = "so"\n', "says too little"),
        ('[[steady]]\nalerts = ["A"]\nreason = "set by hand always"\nempty = true\n', "may be empty"),
        ('[[steady]]\nalerts = ["A", "A"]\nreason = "set by hand always"\n', "alerts: A: stands there twice"),
        ('[[still]]\nalerts = ["A"]\n', "unknown key still"),
    ],
)
def test_a_wrong_file_of_exceptions_is_told_with_the_next_step(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "exceptions.toml").write_text(text)
    with pytest.raises(CannotRun, match=told):
        read_exceptions(tmp_path / "exceptions.toml")


def test_judged_lists_what_is_asked(run: dict[str, Any], prometheus: str, tmp_path: Path) -> None:
    """Whoever doubts a verdict finds its expression, its kind and its values in the facts."""
    found: tuple[Judged, ...] = judge(tmp_path, phases_of(run, SETTLE), prometheus, {"Level": "level"}, "").judged
    (finding,) = found[0].findings
    assert (finding.query, finding.kind, finding.series) == ("level", "follows", 1)
    assert set(finding.middles) == {"idle", "low", "high", "low again"}
    middle = finding.middles["high"]
    assert middle is not None
    assert 90 < middle < 110
