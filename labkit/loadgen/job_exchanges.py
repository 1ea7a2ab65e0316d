"""Requests of the asynchronous half: jobs, their state, feedback, each with what its answer must be."""

from typing import Any

import msgspec

from labkit.loadgen.answers import WRONG_ANSWER, Answer, BadAnswer, Check, check_status, decoded, member
from labkit.loadgen.bodies import MODELS, Model, Values, rows_for
from labkit.loadgen.exchanges import MODEL_PREDICT, Exchange, check_results, prediction_check

JOBS, ONE_JOB, FEEDBACK = "/jobs", "/jobs/{id}", "/feedback"
STATES = ("queued", "done", "failed")


def job(model_name: str, draw: int) -> tuple[Exchange, Check]:
    """Return the hand-in of the inputs that `draw` decides, and the check of what `GET /jobs/{id}` says of it."""
    model = MODELS[model_name]
    data = rows_for(model, draw)
    body = msgspec.json.encode({"model": model_name, "data": data})
    return Exchange("POST", JOBS, JOBS, check_accepted, body), state_check(model, data)


def check_accepted(answer: Answer) -> None:
    check_status(answer, 202)
    document = decoded(answer)
    ident = member(document, "id", str)
    if not ident:
        raise BadAnswer(WRONG_ANSWER, "a job without an id", repr(document)[:200])
    _check_state(document)
    if not (answer.headers.get("location") or "").endswith(f"/jobs/{ident}"):
        raise BadAnswer(WRONG_ANSWER, "Location is not the job's", repr(answer.headers.get("location")))


def job_state(ident: str, check: Check) -> Exchange:
    """Ask how a job is; `check` comes from `job`."""

    def checked(answer: Answer) -> None:
        check(answer)
        if decoded(answer)["id"] != ident:
            raise BadAnswer(WRONG_ANSWER, "another job's id", f"asked for {ident}: {answer.body[:200]!r}")

    return Exchange("GET", f"/jobs/{ident}", ONE_JOB, checked)


def state_check(model: Model, data: Values) -> Check:
    """Return the check of a job's state: a job that is done has results which this model can give to these rows."""

    def check(answer: Answer) -> None:
        check_status(answer, 200)
        document = decoded(answer)
        member(document, "id", str)
        state = _check_state(document)
        if state == "done":
            check_results(model, len(data), member(document, "result", list), document.get("score"))
        if state == "failed" and not member(document, "reason", str):
            raise BadAnswer(WRONG_ANSWER, "a failed job without a reason", answer.body[:200].decode("utf-8", "replace"))

    return check


def _check_state(document: dict[str, Any]) -> str:
    state: str = member(document, "status", str)
    if state not in STATES:
        raise BadAnswer(WRONG_ANSWER, "an unknown state of a job", f"{state!r} is none of {STATES}")
    return state


def predict_one(model_name: str, draw: int) -> Exchange:
    """Ask for the prediction of one row, which the service remembers for feedback."""
    model = MODELS[model_name]
    data = rows_for(model, draw, 1)
    body = msgspec.json.encode({"data": data})
    return Exchange("POST", f"/models/{model_name}/predict", MODEL_PREDICT, prediction_check(model, data), body)


def feedback(facts: dict[str, Any]) -> Exchange:
    """Say what a prediction should have been: `label` with either `request_id` or `model` and `data`."""

    def check(answer: Answer) -> None:
        check_status(answer, 201)
        document = decoded(answer)
        if member(document, "status", str) != "stored" or not member(document, "id", str):
            raise BadAnswer(WRONG_ANSWER, "feedback that is not stored", repr(document)[:200])

    return Exchange("POST", FEEDBACK, FEEDBACK, check, msgspec.json.encode(facts))
