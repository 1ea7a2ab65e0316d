"""Jobs and feedback as load: timed end to end, never twice, never silently without a key."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.structs import OffsetAndMetadata

from labkit.errors import CannotRun
from labkit.loadgen import drive
from labkit.loadgen.progress import Progress
from labkit.loadgen.queue import JOBS, WORKERS, Offsets, read_offsets
from labkit.report import build
from labkit.urls import Urls
from tests.eventually import eventually
from tests.integration.load_runs import (
    all_times,
    home_in,
    read_json,
    scenario_in,
    sent_by_status,
    served_by_status,
    service,
    timeline,
)
from tests.integration.load_service import KEY
from tests.kafka_server import KafkaServer, running_kafka

SCENARIO = """
duration = 3
users = 4
grace = {grace}
[shape]
kind = "constant"
rate = {rate}
[mix]
{mix}
"""


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[KafkaServer]:
    """A broker of its own: the test reads and moves the workers' own topic and group."""
    with running_kafka(tmp_path / "kafka") as running:
        yield running


def nobody(_: Progress) -> None: ...


@contextmanager
def keyed(folder: Path, monkeypatch: pytest.MonkeyPatch, *faults: str) -> Iterator[Urls]:
    with service(folder / "service", *faults) as urls:
        monkeypatch.setenv("LAB_API_KEY", KEY)
        yield urls


def run_of(
    folder: Path, urls: Urls, *, mix: str = "JobUser = 1", rate: float = 20, grace: float = 5, **more: Any
) -> Path:
    path = scenario_in(folder, SCENARIO.format(mix=mix, rate=rate, grace=grace))
    return drive(path, urls, home=home_in(folder), on_progress=nobody, **more)


def entry_of(run: Path, method: str, name: str) -> dict[str, Any]:
    entries: list[dict[str, Any]] = read_json(run / "requests.json")["entries"]
    return next(entry for entry in entries if (entry["method"], entry["name"]) == (method, name))


def test_every_job_is_answered_and_timed_from_its_intended_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four users carry twenty jobs a second that take 60 ms and more each: no user waits for one."""
    with keyed(tmp_path, monkeypatch) as urls:
        run = run_of(tmp_path, urls)
    job, submit = entry_of(run, "JOB", "job"), entry_of(run, "POST", "/jobs")
    assert (job["sent"], job["statuses"]) == (60, {"done": 60})
    assert submit["statuses"] == {"202": 60}
    # A hand-in, then two questions at 20 and 60 ms: an end-to-end time is more than all of its requests.
    assert entry_of(run, "GET", "/jobs/{id}")["sent"] == 120
    seconds = timeline(run)
    assert sum(second["jobs_accepted"] for second in seconds) == sum(s["jobs_answered"] for s in seconds) == 60
    assert sum(second["follow_ups"] for second in seconds) == 120
    assert sum(second["sent"] for second in seconds) == 180
    times = all_times(run, "response_time")
    assert times.get_total_count() == 60 + 180
    assert sent_by_status(run) == {**served_by_status(run), ("JOB", "job", "done"): 60}
    facts = read_json(run / "generator.json")
    assert (facts["intended"], facts["sent"]) == (60, 60)
    summary = build(run)
    assert summary.reconciliation.exact
    assert summary.jobs is not None
    assert (summary.jobs.accepted, summary.jobs.submitted, summary.jobs.answered) == (60, 60, 60)
    assert summary.jobs.service_time is not None
    assert summary.jobs.service_time.p50 > 60


def test_a_job_that_is_never_answered_is_waited_for_and_makes_the_run_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with keyed(tmp_path, monkeypatch, "lose=5") as urls:
        run = run_of(tmp_path, urls, grace=2)
    assert entry_of(run, "JOB", "job")["statuses"] == {"done": 59, "unanswered": 1}
    summary = build(run)
    assert summary.jobs is not None
    assert summary.jobs.lost == 1
    assert summary.bad


def test_a_refused_hand_in_is_no_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with keyed(tmp_path, monkeypatch, "refuse=7") as urls:
        run = run_of(tmp_path, urls)
    assert entry_of(run, "POST", "/jobs")["statuses"] == {"202": 59, "503": 1}
    assert entry_of(run, "JOB", "job")["sent"] == 59
    summary = build(run)
    assert summary.jobs is not None
    assert (summary.jobs.refused, summary.jobs.lost) == ({"503": 1}, 0)


def test_a_hand_in_without_an_answer_is_sent_again_and_stays_one_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with keyed(tmp_path, monkeypatch, "drop=9") as urls:
        run = run_of(tmp_path, urls)
    assert entry_of(run, "POST", "/jobs")["statuses"] == {"0": 1, "202": 60}
    assert entry_of(run, "JOB", "job")["statuses"] == {"done": 60}
    summary = build(run)
    assert summary.jobs is not None
    assert (summary.jobs.accepted, summary.jobs.submitted) == (60, 60)


def test_feedback_names_a_prediction_of_its_own_or_brings_its_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with keyed(tmp_path, monkeypatch) as urls:
        run = run_of(tmp_path, urls, mix="FeedbackUser = 1")
    assert entry_of(run, "POST", "/feedback")["statuses"] == {"201": 60}
    predicted = entry_of(run, "POST", "/models/{model}/predict")["sent"]
    assert 0 < predicted < 60
    assert sum(second["follow_ups"] for second in timeline(run)) == predicted


def test_users_of_a_closed_loop_wait_for_their_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = scenario_in(tmp_path, 'mode = "closed"\nduration = 3\nusers = 3\n[mix]\nJobUser = 1\n')
    with keyed(tmp_path, monkeypatch) as urls:
        run = drive(scenario, urls, home=home_in(tmp_path), on_progress=nobody)
    job = entry_of(run, "JOB", "job")
    assert set(job["statuses"]) == {"done"}
    assert job["response_time"] is None
    assert job["sent"] == entry_of(run, "POST", "/jobs")["sent"]


def test_without_a_key_they_stay_out_and_the_report_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_API_KEY", raising=False)
    with service(tmp_path / "service") as urls:
        run = run_of(tmp_path, urls, mix="JobUser = 5\nPageUser = 1")
        with pytest.raises(CannotRun, match="only users that hand in jobs or feedback: no API key"):
            run_of(tmp_path, urls)
    assert {name for _, name, _ in sent_by_status(run)} == {"/", "/models", "/models/{model}"}
    summary = build(run)
    assert summary.left_out.startswith("JobUser: no API key is known")
    assert summary.jobs is None


def test_a_stack_without_kafka_has_no_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with `lab up --profile core`: its keys are there, and nothing to hand a job to."""
    home = home_in(tmp_path)
    with keyed(tmp_path, monkeypatch) as urls:
        monkeypatch.setenv("LAB_ENGINE", "process")
        run = run_of(tmp_path, urls, mix="JobUser = 5\nPageUser = 1")
    assert home.runs == run.parent
    assert "this stack has no Kafka" in build(run).left_out


def test_the_queue_is_read_as_it_is(own_kafka: KafkaServer) -> None:
    admin = KafkaAdminClient(bootstrap_servers=own_kafka.servers)
    producer = KafkaProducer(bootstrap_servers=own_kafka.servers)
    try:
        assert read_offsets(own_kafka.servers).ends == {}
        admin.create_topics([NewTopic(JOBS, 3, 1)])
        admin.wait_for_topics([JOBS])
        before = eventually(lambda: readable(own_kafka), what="Kafka's offsets")
        assert (before.error, before.backlog) == (None, 0)
        for _ in range(4):
            producer.send(JOBS, b"not a job", partition=1)
        producer.flush()
        after = read_offsets(own_kafka.servers)
        assert after.ends[JOBS]["1"] - before.ends[JOBS]["1"] == 4
        assert after.backlog - before.backlog == 4
        everything = {TopicPartition(JOBS, int(part)): end for part, end in after.ends[JOBS].items()}
        admin.alter_group_offsets(WORKERS, {part: OffsetAndMetadata(end, "", -1) for part, end in everything.items()})
        assert read_offsets(own_kafka.servers).backlog == 0
    finally:
        producer.close()
        admin.close()


def readable(kafka: KafkaServer) -> Offsets | None:
    found = read_offsets(kafka.servers)
    return found if found.error is None else None


def test_kafka_that_is_away_is_an_error_in_the_run_and_no_end_of_it() -> None:
    found = read_offsets("127.0.0.1:9")
    assert found.error is not None
    assert (found.ends, found.backlog) == ({}, 0)
