"""A service that freezes for two seconds: a schedule shows it, a naive measurement hides it."""

import subprocess
import sys
from pathlib import Path

import pytest

from labkit.loadgen import drive
from labkit.loadgen.progress import Progress
from tests.integration.load_runs import (
    ROOT,
    home_in,
    percentile,
    plain_environment,
    read_json,
    scenario_in,
    sent_by_status,
    served_by_status,
    service,
    timeline,
)

FREEZE = "freeze_at=200"
USERS = 4
# 4 of 700 requests are under way when the service freezes: less than 1 %, so a naive p99 cannot see it.
STEADY = f'duration = 7\nusers = {USERS}\n[shape]\nkind = "constant"\nrate = 100\n[mix]\n"PredictUser.iris" = 1\n'


def quiet(_: Progress) -> None:
    """Shows nothing: the tests read the folder."""


def test_response_time_from_the_intended_start_shows_a_freeze_that_service_time_hides(tmp_path: Path) -> None:
    with service(tmp_path / "service", FREEZE) as urls:
        run = drive(scenario_in(tmp_path, STEADY), urls, home=home_in(tmp_path), on_progress=quiet)
    assert percentile(run, "service_time", 99) < 0.5
    assert percentile(run, "service_time", 100) > 1.9
    assert 1.5 < percentile(run, "response_time", 99) < 3
    # 2 s of 7 were frozen: far more than a tenth of those who wanted an answer waited for over a second.
    assert percentile(run, "response_time", 90) > 1
    facts = read_json(run / "generator.json")
    assert facts["sent"] == facts["intended"] == 700
    assert facts["waited_for_a_user"] > 100
    assert sum(second["offered"] for second in timeline(run)) == 700
    assert sent_by_status(run) == served_by_status(run)


def test_users_who_wait_for_each_answer_hide_the_freeze(tmp_path: Path) -> None:
    """The control: as many users at the same rate in a closed loop send nothing while the service is frozen."""
    locustfile = tmp_path / "eager_user.py"
    locustfile.write_text(
        "from locust import constant_throughput, task\n"
        "from labkit.loadgen import exchanges\n"
        "from labkit.loadgen.users import LabUser\n"
        "class EagerUser(LabUser):\n"
        "    wait_time = constant_throughput(25)\n"
        "    @task\n"
        "    def iris(self):\n"
        "        self.send(exchanges.predict('iris', self.draw()))\n"
    )
    run = tmp_path / "run"
    run.mkdir()
    command = [sys.executable, "-m", "locust", "-f", str(locustfile), "--headless", "--only-summary"]
    command += ["-u", str(USERS), "-r", str(USERS), "-t", "9s", "--run-dir", str(run)]
    with service(tmp_path / "service", FREEZE) as urls:
        subprocess.run(
            [*command, "--host", urls.service], cwd=ROOT, env=plain_environment(), check=True, capture_output=True
        )
    assert percentile(run, "service_time", 100) > 1.9
    assert percentile(run, "service_time", 99) < 0.5
    (entry,) = read_json(run / "requests.json")["entries"]
    assert entry["response_time"] is None
    assert read_json(run / "generator.json")["intended"] is None


def test_a_request_that_is_never_answered_is_counted_as_such(tmp_path: Path) -> None:
    """Sent, failed, without a status, as slow as it was when the run ended: not left out."""
    text = STEADY.replace("duration = 7", "duration = 2\ngrace = 1").replace("rate = 100", "rate = 30")
    with service(tmp_path / "service", "hang_at=20") as urls:
        run = drive(scenario_in(tmp_path, text), urls, home=home_in(tmp_path), on_progress=quiet)
    (entry,) = read_json(run / "requests.json")["entries"]
    assert (entry["sent"], entry["failed"]) == (60, 1)
    assert entry["statuses"] == {"0": 1, "200": 59}
    assert [error["kind"] for error in entry["errors"]] == ["no answer"]
    assert percentile(run, "service_time", 100) > 1


@pytest.mark.parametrize(
    ("lie", "kind"), [("count", "wrong answer"), ("id", "wrong answer"), ("status", "wrong status")]
)
def test_a_service_that_lies_fails_every_request(tmp_path: Path, lie: str, kind: str) -> None:
    """The control is every other test here: an honest service fails none."""
    text = STEADY.replace("duration = 7", "duration = 1").replace("rate = 100", "rate = 30")
    with service(tmp_path / "service", f"lie={lie}") as urls:
        run = drive(scenario_in(tmp_path, text), urls, home=home_in(tmp_path), on_progress=quiet)
    (entry,) = read_json(run / "requests.json")["entries"]
    assert (entry["sent"], entry["ok"], entry["failed"]) == (30, 0, 30)
    assert [(error["kind"], error["count"]) for error in entry["errors"]] == [(kind, 30)]


def test_too_few_users_for_the_rate_make_the_run_invalid(tmp_path: Path) -> None:
    """The freeze comes near the end: what was not sent on schedule is said, and counted."""
    text = STEADY.replace("duration = 7", "duration = 3\ngrace = 0.2").replace(f"users = {USERS}", "users = 1")
    with service(tmp_path / "service", "freeze_at=200", "freeze_for=4") as urls:
        run = drive(scenario_in(tmp_path, text), urls, home=home_in(tmp_path), on_progress=quiet)
    facts = read_json(run / "generator.json")
    assert facts["intended"] == 300
    assert facts["sent"] + facts["unsent"] == 300
    assert facts["unsent"] > 50
    assert facts["achieved"] < 0.9
    assert facts["saturated"]
    assert any("on schedule" in reason for reason in facts["reasons"])
