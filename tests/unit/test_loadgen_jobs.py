"""Users with a key: which key, who stays out, what an answer about a job must be, and how jobs are counted."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from labkit.errors import CannotRun
from labkit.loadgen import job_exchanges
from labkit.loadgen.answers import Answer, BadAnswer
from labkit.loadgen.bodies import MODELS, PREDICATES, TONES, labelled_sentence, other_label
from labkit.loadgen.histograms import decoded
from labkit.loadgen.keys import known_keys, reason_to_stay_out, urls_of
from labkit.loadgen.ledger import Ledger
from labkit.loadgen.options import without_keyless
from labkit.loadgen.recorder import DONE, UNANSWERED, Recorder
from labkit.loadgen.scenario import Scenario
from labkit.urls import Urls


class Plain:
    weight = 8


class Keyed:
    weight = 1
    needs_key = True


def told(status: int, document: Any, **headers: str) -> Answer:
    return Answer(status, headers, msgspec.json.encode(document))


def urls(folder: Path, kafka: str | None = "127.0.0.1:9092", engine: str = "process") -> Urls:
    return Urls(service="http://127.0.0.1:1", engine=engine, kafka=kafka, api_key_file=str(folder / "api-key"))


def test_the_environments_key_comes_first_then_the_loads_own_then_the_stacks(tmp_path: Path) -> None:
    assert known_keys(urls(tmp_path), {}) == ()
    (tmp_path / "api-key").write_text("one\n")
    assert known_keys(urls(tmp_path), {}) == ("one",)
    (tmp_path / "load-keys").write_text("a\nb\nc\n")
    assert known_keys(urls(tmp_path), {}) == ("a", "b", "c")
    assert known_keys(urls(tmp_path), {"LAB_API_KEY": "mine"}) == ("mine",)


def test_the_local_stacks_keys_never_go_to_another_host(tmp_path: Path) -> None:
    environ = {"LAB_HOME": str(tmp_path)}
    found = urls_of("http://192.0.2.1:8080", environ)
    assert (found.api_key_file, known_keys(found, environ)) == (None, ())


def test_who_stays_out_says_why_and_what_to_do(tmp_path: Path) -> None:
    assert "set LAB_API_KEY" in reason_to_stay_out(urls(tmp_path), {})
    (tmp_path / "api-key").write_text("one\n")
    assert reason_to_stay_out(urls(tmp_path), {}) == ""
    assert "no Kafka" in reason_to_stay_out(urls(tmp_path, kafka=None), {})
    # Of a deployment that is not ours nobody knows whether it has Kafka: whoever gives a key wants to find out.
    assert reason_to_stay_out(urls(tmp_path, kafka=None, engine="external"), {}) == ""


def test_users_without_a_key_leave_the_mix_and_the_others_keep_their_weights() -> None:
    scenario = Scenario(description="d", duration=1, users=1, name="x")
    assert without_keyless(scenario, [Plain, Keyed], "") == ({}, "")
    assert without_keyless(scenario, [Plain, Keyed], "no key") == ({"Plain": 8.0}, "Keyed: no key")
    assert without_keyless(scenario, [Plain], "no key") == ({}, "")
    mixed = msgspec.structs.replace(scenario, mix={"Keyed.rare": 2.0, "Plain.often": 1.0})
    assert without_keyless(mixed, [Plain, Keyed], "no key") == ({"Plain.often": 1.0}, "Keyed: no key")


def test_a_scenario_of_jobs_alone_cannot_run_without_a_key() -> None:
    scenario = Scenario(description="d", duration=1, users=1, name="jobs", mix={"Keyed": 1.0})
    with pytest.raises(CannotRun, match="scenario jobs has only users that hand in jobs or feedback: no key"):
        without_keyless(scenario, [Plain, Keyed], "no key")


def test_the_same_draw_hands_in_the_same_job() -> None:
    first, second = (job_exchanges.job("sentiment", 4711)[0] for _ in range(2))
    assert first.body == second.body
    assert json.loads(first.body or b"")["model"] == "sentiment"
    assert (first.method, first.route) == ("POST", "/jobs")


ACCEPTED = {"id": "ab", "status": "queued"}


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (told(202, ACCEPTED, location="/jobs/ab"), None),
        (told(202, ACCEPTED, location="/jobs/cd"), "Location"),
        (told(202, {"id": "", "status": "queued"}, location="/jobs/"), "without an id"),
        (told(202, {"id": "ab", "status": "lost"}, location="/jobs/ab"), "unknown state"),
        (told(200, ACCEPTED, location="/jobs/ab"), "status 200"),
        (told(503, {}, **{"retry-after": "1"}), "refused: status 503"),
        (told(429, {}, **{"retry-after": "1"}), "refused: status 429"),
    ],
)
def test_an_acceptance_names_a_job_and_where_it_is(answer: Answer, wrong: str | None) -> None:
    exchange, _ = job_exchanges.job("iris", 7)
    if wrong is None:
        exchange.check(answer)
        return
    with pytest.raises(BadAnswer, match=wrong):
        exchange.check(answer)


def state(**facts: Any) -> Answer:
    return told(200, {"id": "ab", **facts})


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (state(status="queued"), None),
        (state(status="done", result=[1]), None),
        (state(status="failed", reason="no finite answer"), None),
        (state(status="failed"), "reason"),
        (state(status="failed", reason=""), "without a reason"),
        (state(status="done"), "result"),
        (state(status="done", result=[1, 2]), "another number of results"),
        (state(status="done", result=[9]), "unknown label"),
        (state(status="gone"), "unknown state"),
        (told(200, {"id": "cd", "status": "queued"}), "another job's id"),
        (told(404, {}), "status 404"),
    ],
)
def test_a_jobs_answer_is_checked_like_a_prediction(answer: Answer, wrong: str | None) -> None:
    check = job_exchanges.state_check(MODELS["iris"], [[5.1, 3.5, 1.4, 0.2]])
    exchange = job_exchanges.job_state("ab", check)
    assert exchange.route == "/jobs/{id}"
    if wrong is None:
        exchange.check(answer)
        return
    with pytest.raises(BadAnswer, match=wrong):
        exchange.check(answer)


def test_feedback_is_only_right_when_it_is_stored() -> None:
    exchange = job_exchanges.feedback({"model": "iris", "data": [[1, 2, 3, 4]], "label": 1})
    exchange.check(told(201, {"id": "f", "status": "stored"}))
    for answer in (told(201, {"id": "f", "status": "queued"}), told(404, {})):
        with pytest.raises(BadAnswer):
            exchange.check(answer)


def test_every_sentence_of_the_feedback_has_a_label_that_the_model_knows() -> None:
    known = MODELS["sentiment"].labels
    assert known is not None
    assert len(TONES) == len(PREDICATES)
    for draw in range(200):
        text, label = labelled_sentence(draw)
        assert label in known
        assert any(predicate in text for predicate, tone in zip(PREDICATES, TONES, strict=True) if tone == label)
        assert other_label(MODELS["sentiment"], label, draw) in known - {label}


def test_a_job_is_an_entry_of_its_own_and_no_request_of_its_second() -> None:
    recorder = Recorder()
    recorder.started(100.2)
    recorder.finished(("POST", "/jobs"), ended=100.21, service_time=0.01, response_time=0.02, status=202, failure=None)
    recorder.job_accepted(100.21)
    recorder.started(100.3, follow_up=True)
    recorder.finished(("GET", "/jobs/{id}"), ended=100.31, service_time=0.01, response_time=0.01, status=200, failure=None)  # fmt: skip  # noqa: E501
    recorder.job_finished(ended=100.31, service_time=0.11, response_time=0.5, outcome=DONE, failure=None)
    recorder.job_accepted(100.4)
    recorder.job_finished(ended=101.0, service_time=0.6, response_time=None, outcome=UNANSWERED, failure=("no answer", "x"))  # fmt: skip  # noqa: E501
    ledger = Ledger()
    for message in recorder.take_seconds(200, 0):
        ledger.add_second("local", message)
    ledger.add_entries(recorder.entries())
    second = ledger.seconds[100]
    assert (second.sent, second.follow_ups, second.done, second.failed) == (2, 1, 2, 0)
    assert (second.jobs_accepted, second.jobs_answered) == (2, 1)
    assert second.response_time is not None
    assert second.response_time.get_total_count() == 2
    assert ledger.sent == 2
    entry = ledger.entries["JOB", "job"].to_dict(("JOB", "job"))
    assert (entry["sent"], entry["ok"], entry["failed"]) == (2, 1, 1)
    assert entry["statuses"] == {"done": 1, "unanswered": 1}
    assert decoded(entry["service_time"]).get_total_count() == 2
    assert decoded(entry["response_time"]).get_max_value() == pytest.approx(500_000, rel=0.001)
