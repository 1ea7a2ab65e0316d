"""A student's locustfile on trial: real locust against a server that lies; and its CSV files read back."""

from pathlib import Path

import pytest

from labkit.course.evidence.locust_runs import Counted, begin_trial, end_trial, read_locust_run
from labkit.course.evidence.lying_server import lying_server
from labkit.errors import CannotRun

LIES = {"GET": (b"nothing",), "POST": (b"{}", b"")}
VISITOR = """
from locust import HttpUser, constant, task
class Visitor(HttpUser):
    wait_time = constant(0.02)
    @task
    def look(self):
        with self.client.get("/", catch_response=True) as answer:
            if {check}:
                answer.failure("wrong")
    @task
    def ask(self):
        self.client.post("/predict", json={{"data": []}})
"""


def tried(folder: Path, text: str, within: float = 30.0) -> tuple[Counted, dict[str, int]]:
    (folder / "locustfile.py").write_text(text, encoding="utf-8")
    with lying_server(LIES) as (url, given):
        process = begin_trial(folder / "locustfile.py", url, folder / "trial", 4, 60)
        counted = end_trial(process, folder / "trial", lambda: min(given[method] for method in LIES) > 10, within)
        return counted, dict(given)


def test_what_looks_at_answers_calls_lies_failed_and_what_does_not_is_the_control(tmp_path):
    run, given = tried(tmp_path, VISITOR.format(check='"page" not in answer.text'))
    assert run.failed["GET"] == run.sent["GET"] > 0
    assert run.failed["POST"] == 0 < run.sent["POST"]
    # What is under way when locust ends is counted by the server alone.
    assert all(0 <= given[method] - run.sent[method] <= 4 for method in LIES)
    assert run.all_failed == run.sent["GET"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("# nothing\n", "No User class found"),
        ("def broken(:\n", "SyntaxError"),
        (
            "from locust import HttpUser, task\nclass Idle(HttpUser):\n    @task\n    def idle(self):\n        pass\n",
            "no req",
        ),
    ],
)
def test_a_locustfile_that_sends_nothing_is_told_by_its_reason(tmp_path, text, told):
    with pytest.raises(CannotRun, match=told):
        tried(tmp_path, text, within=25.0)


def test_csv_files_are_read_back(tmp_path):
    (tmp_path / "run_stats.csv").write_text(
        "Type,Name,Request Count,Failure Count,Max Response Time,Requests/s,99%\n"
        "GET,/,100,1,12.5,10.0,9\nPOST,/predict,300,2,3001.5,30.0,20\n,Aggregated,400,3,3001.5,40.0,17\n"
    )
    history = ["Timestamp,User Count,Total Request Count", *(f"{1000 + n},{min(n, 4)},{10 * n}" for n in range(21))]
    (tmp_path / "run_stats_history.csv").write_text("\n".join(history))
    run = read_locust_run(tmp_path / "run")
    assert (run.all_sent, run.all_failed, run.sent["POST"], run.failed["GET"]) == (400, 3, 300, 1)
    assert (run.rate, run.p99, run.longest, run.users, run.start, run.end) == (40, 17, 3001.5, 4, 1000, 1020)
    assert run.inner == (1003, 1017, 140)


@pytest.mark.parametrize(
    "stats", [None, "", "Type,Name\n", "no csv at all\n", "Type,Name,Request Count\n,Aggregated,x\n"]
)
def test_csv_files_that_say_nothing_are_told_by_name(tmp_path, stats):
    (tmp_path / "run_stats_history.csv").write_text("Timestamp,User Count,Total Request Count\n1000,0,0\n")
    if stats is not None:
        (tmp_path / "run_stats.csv").write_text(stats)
    with pytest.raises(CannotRun, match=r"run(_stats\.csv|: locust)"):
        read_locust_run(tmp_path / "run")
