"""A run is written to Grafana as its HTTP API documents it, and a Grafana that refuses it costs a line on stderr."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from labkit.home import Home
from labkit.loadgen.annotations import Annotation
from labkit.loadgen.driver import free_port
from labkit.loadgen.run_marks import RunMarks

TOKEN = "glsa_of-a-test"
STORED_ID = 1124


class GrafanaApi(ThreadingHTTPServer):
    """Takes annotations by the rules of Grafana's documentation, and answers in its words."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.stored: dict[int, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: GrafanaApi

    def do_POST(self) -> None:
        facts = self.accepted(required={"text"})
        if facts is None:
            return
        if self.path != "/api/annotations":
            self.say(404, {"message": "Not found"})
            return
        self.server.stored[STORED_ID] = facts
        self.say(200, {"message": "Annotation added", "id": STORED_ID})

    def do_PATCH(self) -> None:
        facts = self.accepted(required=set())
        if facts is None:
            return
        if self.path != f"/api/annotations/{STORED_ID}" or STORED_ID not in self.server.stored:
            self.say(404, {"message": "Annotation not found"})
            return
        self.server.stored[STORED_ID] |= facts
        self.say(200, {"message": "Annotation patched"})

    def accepted(self, required: set[str]) -> dict[str, Any] | None:
        self.server.asked.append(f"{self.command} {self.path}")
        facts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.status != 200:
            self.say(self.server.status, {"message": "refused"})
        elif self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.say(401, {"message": "Unauthorized"})
        elif self.headers["Content-Type"] != "application/json" or required - facts.keys():
            self.say(400, {"message": "bad request data"})
        elif not all(isinstance(facts[name], int) for name in ("time", "timeEnd") if name in facts):
            self.say(400, {"message": "times are epoch milliseconds"})
        elif not all(isinstance(tag, str) for tag in facts.get("tags", [])):
            self.say(400, {"message": "tags are texts"})
        else:
            return dict(facts)
        return None

    def say(self, status: int, facts: dict[str, Any]) -> None:
        body = json.dumps(facts).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def grafana() -> Iterator[GrafanaApi]:
    with GrafanaApi() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def finished_run(tmp_path: Path, grafana: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_GRAFANA_TOKEN", TOKEN)
    folder = tmp_path / "runs" / "20260101-000000-demo"
    folder.mkdir(parents=True)
    run = RunMarks(Home(tmp_path, tmp_path / "lab"), folder, "demo", grafana)
    run.start()
    facts = {"started": 1_700_000_000, "ended": 1_700_000_060.25, "interrupted": False, "sent": 9000}
    (folder / "generator.json").write_text(json.dumps(facts))
    run.end()


def test_a_run_becomes_a_region_of_grafana(
    grafana: GrafanaApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finished_run(tmp_path, grafana.url + "/", monkeypatch)
    assert grafana.asked == ["POST /api/annotations", f"PATCH /api/annotations/{STORED_ID}"]
    assert grafana.stored[STORED_ID] == {
        "time": 1_700_000_000_000,
        "timeEnd": 1_700_000_060_250,
        "tags": ["load", "demo", "20260101-000000-demo"],
        "text": "load demo ends: 9000 requests",
    }
    assert capsys.readouterr().err == ""


def test_the_token_may_stand_in_a_file(grafana: GrafanaApi, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    Annotation(grafana.url, ("load",), {"LAB_GRAFANA_TOKEN_FILE": str(tmp_path / "token")}).start("a run", 1.5)
    assert grafana.stored[STORED_ID]["time"] == 1500


def test_a_refusal_is_one_warning_and_no_error(
    grafana: GrafanaApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    grafana.status = 403
    finished_run(tmp_path, grafana.url, monkeypatch)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "403" in said
    assert "next: set LAB_GRAFANA_TOKEN" in said
    assert not grafana.stored


@pytest.mark.parametrize(
    "address",
    [f"http://127.0.0.1:{free_port()}", "no address", "http://[bad"],
    ids=["closed port", "no address", "unreadable"],
)
def test_a_grafana_that_is_not_there_is_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    finished_run(tmp_path, address, monkeypatch)
    assert capsys.readouterr().err.count("\n") == 1


def test_without_a_grafana_nothing_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finished_run(tmp_path, None, monkeypatch)
    assert capsys.readouterr().err == ""
