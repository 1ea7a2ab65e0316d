"""The jobs line: exact when it is, every difference placed and explained, and bad only when a job was lost."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from app.core import topics
from labkit.loadgen import queue
from labkit.report import build
from labkit.report.jobs import JobsLine, jobs_line, jobs_truth
from labkit.report.run_folder import read_run
from labkit.report.terminal import print_verdict
from tests.samples.jobs import WORKER, add_jobs
from tests.samples.runs import METRICS, Knobs, write_run

Edit = Callable[[dict[str, Any]], None]
STEPS = ("accepted", "submitted", "produced", "consumed", "finished", "answered")
LOST = {"name": "no job lost", "kind": "error-ratio", "method": "JOB", "limit": 0, "unit": "%"}
SLOW = {"name": "jobs p99", "kind": "response-time", "method": "JOB", "percentile": 99, "limit": 50, "unit": "ms"}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return add_jobs(write_run(tmp_path, Knobs(seconds=12, stall_at=None, failing=0.0)))


def found(run: Path) -> JobsLine:
    line = jobs_line(read_run(run))
    assert line is not None
    return line


def edit(path: Path, change: Edit) -> None:
    facts = json.loads(path.read_text())
    change(facts)
    path.write_text(json.dumps(facts))


def finished(facts: dict[str, Any], outcome: str, side: str = "after") -> dict[str, Any]:
    samples: list[dict[str, Any]] = facts[side]["workers"][WORKER]["samples"]
    return next(sample for sample in samples if sample["labels"].get("outcome") == outcome)


def test_a_run_without_jobs_has_no_line(tmp_path: Path) -> None:
    assert jobs_line(read_run(write_run(tmp_path, Knobs(seconds=12)))) is None


def test_all_steps_of_a_complete_run_are_equal_and_what_was_there_before_is_left_out(run: Path) -> None:
    line = found(run)
    assert [getattr(line, step) for step in STEPS] == [90] * 6
    assert (line.exact, line.lost, line.explanations) == (True, 0, ())
    assert jobs_truth(line) == "jobs accepted 90 = produced 90 = consumed 90 = answered 90"


def test_jobs_are_no_requests(run: Path) -> None:
    """Neither rates nor totals nor the truth line of the requests may count them."""
    summary = build(run)
    assert summary.totals.sent == sum(route.sent for route in summary.routes)
    assert "JOB" not in {route.method for route in summary.routes}
    assert summary.reconciliation.exact
    assert summary.totals.follow_ups == 180


def test_a_job_without_an_answer_breaches_the_run_whatever_its_objectives_say(tmp_path: Path) -> None:
    run = add_jobs(write_run(tmp_path, Knobs(seconds=12, stall_at=None, failing=0.0)), unanswered=1)
    summary = build(run)
    assert (summary.verdict, summary.bad) == ("breached", True)
    assert all(one.good for one in summary.objectives)
    assert summary.jobs is not None
    assert (summary.jobs.lost, summary.jobs.exact) == (1, False)
    assert any("1 accepted jobs had no answer" in text for text in summary.jobs.explanations)


def test_a_line_that_is_not_exact_but_lost_nothing_is_no_breach(run: Path) -> None:
    def other_producer(facts: dict[str, Any]) -> None:
        for what in ("ends", "committed"):
            part = facts["after"][what]
            (part["jobs"] if what == "ends" else part)["0"] += 2
        finished(facts, "done")["value"] += 2

    edit(run / "queue.json", other_producer)
    line, summary = found(run), build(run)
    assert (line.exact, line.produced, line.consumed, line.finished) == (False, 92, 92, 92)
    (text,) = line.explanations
    assert text.startswith("2 messages more than accepted jobs: another producer")
    assert summary.verdict == "good"
    assert jobs_truth(line) == "jobs accepted 90, produced 92, consumed 92, answered 90"


def test_an_interrupted_run_is_not_blamed_for_what_it_did_not_wait_for(tmp_path: Path) -> None:
    run = add_jobs(write_run(tmp_path, Knobs(seconds=12, stall_at=None, failing=0.0)), unanswered=3)
    edit(run / "run.json", lambda facts: facts.update(interrupted=True))
    assert build(run).verdict == "good"
    assert any("interrupted before" in text for text in found(run).explanations)


def test_what_waits_in_the_log_is_told_with_the_next_step(run: Path) -> None:
    edit(run / "queue.json", lambda facts: facts["after"]["committed"].update({"1": 100}))
    line = found(run)
    assert line.consumed == 60
    assert any(text.startswith("30 messages wait in the log") and "lab kafka lag" in text for text in line.explanations)


def test_a_partition_that_was_never_committed_counts_as_not_consumed(run: Path) -> None:
    edit(run / "queue.json", lambda facts: facts["after"]["committed"].update({"0": -1, "1": -1, "2": -1}))
    assert found(run).consumed == 0


def test_jobs_delivered_again_are_shown_and_are_no_second_answer(run: Path) -> None:
    edit(run / "queue.json", lambda facts: finished(facts, "duplicate").update(value=12.0))
    line = found(run)
    assert (line.outcomes["duplicate"], line.finished, line.exact) == (7, 90, True)
    assert any(text.startswith("7 jobs came to a worker a second time") for text in line.explanations)


def test_a_worker_that_was_restarted_lost_its_counts_and_no_job(run: Path) -> None:
    def restarted(facts: dict[str, Any]) -> None:
        finished(facts, "done")["value"] = 31.0
        finished(facts, "duplicate")["value"] = 0.0
        facts["after"]["workers"][WORKER]["samples"][-1]["value"] += 60

    edit(run / "queue.json", restarted)
    line = found(run)
    assert (line.finished, line.answered, line.lost, line.exact) == (31, 90, 0, True)
    told = "\n".join(line.explanations)
    assert "was restarted during the run" in told
    assert "59 answers are in no worker's counters" in told


def test_a_worker_that_is_gone_is_named(run: Path) -> None:
    def gone(facts: dict[str, Any]) -> None:
        facts["after"]["workers"] = {}

    edit(run / "queue.json", gone)
    line = found(run)
    assert line.finished is None
    assert line.exact  # what is known agrees; what is not known is said
    edit(
        run / "queue.json", lambda facts: facts["after"]["workers"].update({"http://w2": {"t": 1, "error": "refused"}})
    )
    assert any("http://w2 could not be read" in text for text in found(run).explanations)


def test_kafka_that_could_not_be_read_makes_no_step_up(run: Path) -> None:
    edit(run / "queue.json", lambda facts: facts["after"].update(error="KafkaTimeoutError: no brokers"))
    line = found(run)
    assert (line.produced, line.consumed) == (None, None)
    assert jobs_truth(line) == "jobs accepted 90 = answered 90 (produced and consumed: not known)"
    assert any("KafkaTimeoutError" in text for text in line.explanations)


def test_a_replica_that_ended_after_the_acknowledgement_is_one_difference_not_two(run: Path) -> None:
    def lose(counters: dict[str, Any]) -> None:
        samples = counters["after"][METRICS[0]]["samples"]
        next(one for one in samples if one["name"] == "jobs_submitted_total")["value"] -= 10

    edit(run / "counters.json", lose)
    line = found(run)
    assert (line.submitted, line.produced, line.exact) == (80, 90, False)
    assert [text[:7] for text in line.explanations] == ["10 jobs"]


def test_hand_ins_that_were_refused_are_counted_by_status(run: Path) -> None:
    def refuse(requests: dict[str, Any]) -> None:
        entry = next(one for one in requests["entries"] if one["name"] == "/jobs")
        entry["statuses"] |= {"503": 4, "429": 2}
        entry["sent"] += 6

    edit(run / "requests.json", refuse)
    assert found(run).refused == {"429": 2, "503": 4}


def test_objectives_of_jobs_measure_jobs_alone_and_others_never_see_them(tmp_path: Path) -> None:
    objectives = [
        LOST,
        SLOW,
        {"name": "all p100", "kind": "response-time", "percentile": 100, "limit": 1, "unit": "ms"},
    ]
    run = add_jobs(write_run(tmp_path, Knobs(seconds=12, stall_at=None, objectives=objectives)))
    lost, slow, every = build(run).objectives
    assert (lost.good, lost.measured, lost.selects) == (True, 0.0, "jobs")
    assert slow.good is False
    assert slow.measured == pytest.approx(84.0, rel=0.01)
    assert every.measured is not None
    edit(run / "requests.json", lambda facts: facts["entries"].pop())  # POST /jobs, whose times were the jobs'
    assert build(run).objectives[2].measured < 40


def test_the_line_is_on_the_terminal_and_on_the_page(run: Path) -> None:
    edit(run / "generator.json", lambda facts: facts.update(left_out="FeedbackUser: no key"))
    summary = build(run)
    console = Console(width=120, record=True)
    print_verdict(summary, console)
    text = console.export_text()
    assert "jobs accepted 90 = produced 90 = consumed 90 = answered 90" in text
    assert "end to end p50 62.0 ms" in text
    assert "left out: FeedbackUser: no key" in text
    page = (run / "report.html").read_text()
    for word in ("Was every job answered?", "plot-jobs", "plot-job-times", "Left out: FeedbackUser"):
        assert word in page, word
    assert json.loads((run / "summary.json").read_text())["jobs"]["exact"] is True


def test_the_page_of_a_run_without_jobs_has_no_such_section(tmp_path: Path) -> None:
    run = write_run(tmp_path, Knobs(seconds=12))
    build(run)
    assert "Was every job answered?" not in (run / "report.html").read_text()


def test_topics_and_group_are_those_of_the_service() -> None:
    assert (queue.JOBS, queue.DEAD_LETTERS, queue.WORKERS) == (topics.JOBS, topics.DEAD_LETTERS, topics.WORKERS)
    assert set(queue.TOPICS) <= {topic.name for topic in topics.TOPICS}
