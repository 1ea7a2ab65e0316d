"""lab search and lab trace: what they print and how they end, on files as the collector writes them."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from app.adapters.log_segments import LogSegments
from app.core.log_records import Maker
from labkit.errors import CannotRun
from labkit.logs import trace as tracing
from labkit.logs.commands import register
from labkit.logs.opening import open_store
from labkit.logs.when import moment, seconds, window
from tests.log_records import gelf

JOB, REQUEST = "9cf452dde858fdb5", "5f407ff17151e005"
IRIS, POST = {"model": "iris", "model_version": "v1"}, {"method": "POST", "path": "/jobs"}
HOSTILE = "over \x1b[31mhere\r\nGET /x 200"


@pytest.fixture
def began() -> float:
    return time.time() - 60


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, began: float) -> Path:
    """A store with one job's way through the service, its question, and two hundred others; all a minute old."""
    monkeypatch.setenv("LAB_LOGS_URL", f"sqlite://{tmp_path}")
    messages = [
        at(began + 0.010, "worker-1", f"job {JOB} done", event="job", request_id=REQUEST, job_id=JOB, client="me",
           outcome="done", topic="jobs", partition=2, offset=4, wait_ms=2, duration_us=3000, **IRIS),
        at(began + 0.005, "api-1", "POST /jobs 202", event="request", request_id=REQUEST, route="/jobs",
           status=202, duration_us=4000, **POST, **IRIS),
        at(began + 0.006, "traefik", "POST /jobs 202", event="edge", request_id=REQUEST, status=202,
           duration_us=6000, origin_duration_us=5500, replica_url="http://127.0.0.1:18001", retries=0, **POST),
        at(began + 1, "api-1", HOSTILE, event="message", level=3, full_message="Traceback\n  \x1b]0;x\x07line"),
    ]  # fmt: skip
    messages += [
        at(began + 2 + n / 100, "api-2", "GET /models 200", event="request", request_id=f"f{n:015}", status=200)
        for n in range(200)
    ]
    maker = Maker(int(began * 1e6), lambda: began)
    writer = LogSegments(tmp_path, 64 << 20)
    writer.write([maker.from_gelf(json.dumps(one).encode()) for one in messages])
    writer.close()
    return tmp_path


def at(when: float, host: str, text: str, level: int = 6, **more: Any) -> dict[str, Any]:
    return {**gelf("a", text, host, level, **more), "timestamp": when}


def lab(*words: str) -> Result:
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, words, env={"COLUMNS": "80"})


def test_search_prints_the_newest_last_and_how_many_more_there_are(logs: Path) -> None:
    found = lab("search", "event:request", "-n", "3")
    assert found.exit_code == 0
    lines = found.stdout.splitlines()
    assert len(lines) == 3
    assert [line.split()[-1] for line in lines] == [f"f{n:015}" for n in (197, 198, 199)]
    assert "198 older ones are not shown" in found.stderr
    assert "older" not in lab("search", f"request_id:{REQUEST}").stderr


def test_search_counts_and_prints_one_json_object_a_line(logs: Path) -> None:
    assert lab("search", "status:200", "--count").stdout == "200\n"
    assert json.loads(lab("search", "status:200", "--count", "--json").stdout) == {"count": 200}
    found = lab("search", f"request_id:{REQUEST}", "--json")
    records = [json.loads(line) for line in found.stdout.splitlines()]
    assert [record["host"] for record in records] == ["api-1", "traefik", "worker-1"]
    assert records[2]["job_id"] == JOB
    assert "status" not in records[2]


def test_nothing_in_a_record_can_steer_the_terminal(logs: Path) -> None:
    found = lab("search", "level:<=3")
    assert "\x1b" not in found.stdout
    assert "\x07" not in found.stdout
    assert "over \\x1b[31mhere\\r\\nGET /x 200" in found.stdout
    assert "\n    Traceback\n" in found.stdout


def test_nothing_found_is_said_and_a_field_that_nobody_has_is_named(logs: Path) -> None:
    found = lab("search", "status:404")
    assert (found.exit_code, found.stdout) == (0, "")
    assert "a longer --last" in found.stderr
    assert "statsu: no field of the service" in lab("search", "statsu:500").stderr


def test_a_wrong_search_cannot_run(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for words, says in (
        (("status:5*",), "column 8"),
        (("--last", "5x"), "--last 5x"),
        (("--last", "5m", "--from", "12:00"), "--last is up to now"),
        (("--follow", "--count"), "--follow goes on"),
        (("--from", "tomorrow"), "--from tomorrow"),
        (("--from", "1900000000", "--to", "1800000000"), "is not before"),
    ):
        found = lab("search", *words)
        assert isinstance(found.exception, CannotRun), words
        assert says in str(found.exception)
    monkeypatch.setenv("LAB_LOGS_URL", f"sqlite://{logs}/none")
    assert isinstance(lab("search").exception, CannotRun)


def test_a_trace_is_one_time_line_from_the_edge_to_the_worker(logs: Path, began: float) -> None:
    found = lab("trace", REQUEST, "--json")
    assert found.exit_code == 0
    trace = json.loads(found.stdout)
    assert (trace["request_id"], trace["job_ids"]) == (REQUEST, [JOB])
    assert trace["began"] == pytest.approx(began, abs=1e-5)
    assert [(step["part"], step["who"]) for step in trace["steps"]] == [
        ("edge", "traefik"), ("api", "api-1"), ("kafka", "kafka"), ("worker", "worker-1"),
    ]  # fmt: skip
    assert [step["offset_ms"] for step in trace["steps"]] == pytest.approx([0, 1, 5, 7], abs=0.01)
    assert [step["took_ms"] for step in trace["steps"]] == [6, 4, 2, 3]
    assert trace["took_ms"] == pytest.approx(10, abs=0.01)
    edge, api, kafka, worker = (step["facts"] for step in trace["steps"])
    assert (edge["replica_url"], api["model_version"]) == ("http://127.0.0.1:18001", "v1")
    assert kafka == {"topic": "jobs", "partition": 2, "offset": 4}
    assert (worker["outcome"], worker["job_id"]) == ("done", JOB)


def test_a_job_id_leads_to_the_same_trace(logs: Path) -> None:
    assert lab("trace", JOB, "--json").stdout == lab("trace", REQUEST, "--json").stdout
    text = lab("trace", JOB).stdout
    assert "waits in jobs/2 @ 4" in text
    assert "10.0 ms  in all" in text


def test_a_trace_of_nothing_ends_with_1_and_the_next_step(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "WAIT_S", 0.0)
    found = lab("trace", "nobody")
    assert (found.exit_code, found.stdout) == (1, "")
    assert "no record of 'nobody'" in found.stderr
    assert "next: lab search" in found.stderr


def test_a_record_that_is_on_its_way_is_waited_for(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is written while the trace waits: at its third look the record is there."""
    looks = 0

    def write_at_the_third_look(_seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            writer = LogSegments(logs, 64 << 20)
            late = at(time.time() - 5, "api-1", "GET / 200", event="request", request_id="late")
            writer.write([Maker(int(time.time() * 1e6), time.time).from_gelf(json.dumps(late).encode())])
            writer.close()

    monkeypatch.setattr(tracing.time, "sleep", write_at_the_third_look)
    with open_store(f"sqlite://{logs}") as store:
        found = tracing.find_trace(store, "late", wait=20.0)
    assert found is not None
    assert looks == 2


def test_what_is_missing_in_a_trace_is_noted(logs: Path) -> None:
    with open_store(f"sqlite://{logs}") as store:
        records = store.search(f"request_id:{REQUEST}", 0.0, tracing.FOREVER, 10)
    accepted = [record for record in records if record.event == "request"]
    assert tracing.trace(accepted).notes == (
        "the job was accepted and no worker is done with it yet; next: lab kafka lag",
    )
    edge = [record for record in records if record.event == "edge"]
    assert "the edge has a record of it and no replica" in tracing.trace(edge).notes[0]
    assert tracing.trace(records).notes == ()


def test_times_are_read_as_people_write_them() -> None:
    now = 1_780_000_000.0
    assert [seconds(text, "--last") for text in ("30s", "1.5m", "2h", "1d", "250ms")] == [30, 90, 7200, 86400, 0.25]
    assert moment("1780000000.5", "--from", now) == now + 0.5
    assert moment("2026-05-28T20:26:40+00:00", "--from", now) == now
    today = moment("00:00", "--from", now)
    assert today <= now < today + 86400
    assert moment("12:30:05", "--from", now) - moment("12:30", "--from", now) == 5
    assert window("5m", None, None, now) == (now - 300, now + 1)
    assert window(None, "1779999000", "1779999900", now) == (now - 1000, now - 100)
