"""A job from the client through Kafka and a worker to its result."""

import time
from typing import Any

from labkit.check.deployment.asking import encoded
from labkit.check.deployment.counters import Counters, grown
from labkit.check.deployment.subject import Deployment
from labkit.check.finding import Finding, failed, verdict
from labkit.errors import CannotRun
from labkit.loadgen.bodies import MODELS, rows_for

MODEL = "iris"
POLL = 0.1
SUBMITTED = f'jobs_submitted_total{{job="api",model="{MODEL}"}}'
DONE = f'jobs_finished_total{{job="worker",model="{MODEL}",outcome="done"}}'
TOPIC = "jobs"
NEXT = "lab status: worker and Kafka; lab kafka groups shows how far the workers are behind"


def check_a_job_goes_through_kafka(deployment: Deployment) -> Finding:
    """Jobs handed in with a key are written to Kafka, done by a worker once, and answered as a prediction is."""
    key = deployment.keyed()
    with deployment.counters() as counters:
        counters.scraped("api|worker")
        before, messages = _counted(counters), _messages(deployment)
        begun = time.monotonic()
        wanted = [rows_for(MODELS[MODEL], 1000 + number, rows=3) for number in range(deployment.amounts.jobs)]
        idents = [_handed_in(deployment, key, rows) for rows in wanted]
        for ident, rows in zip(idents, wanted, strict=True):
            view = _answered(deployment, key, ident)
            right = _predicted(deployment, rows)
            if view.get("status") != "done" or view.get("result") != right:
                return failed(f"job {ident} is {view}, predicted at once: {right}", NEXT)
        took = time.monotonic() - begun
        counters.scraped("api|worker")
        submitted, done = (sum(grown(a, b).values()) for a, b in zip(before, _counted(counters), strict=True))
        written = None if messages is None else (_messages(deployment) or 0) - messages
    count = len(idents)
    told = "" if written is None else f", {written} messages in topic {TOPIC}"
    seen = f"{count} jobs done in {took:.1f} s; counted: {submitted} accepted, {done} done{told}"
    good = submitted == done == count and written in (None, count)
    figures = {"jobs": count, "accepted": submitted, "done": done, "messages": written, "took_s": round(took, 2)}
    return verdict(good, seen, NEXT, **figures)


def _counted(counters: Counters) -> tuple[dict[tuple[str, ...], float], dict[tuple[str, ...], float]]:
    return counters.by(SUBMITTED), counters.by(DONE)


def _messages(deployment: Deployment) -> int | None:
    """Return how many messages were ever written to the topic, None where Kafka cannot be reached from here."""
    if not deployment.urls.kafka:
        return None
    from labkit.kafka.connection import ask
    from labkit.kafka.facts import topic_named

    partitions = ask(deployment.urls.kafka, lambda client: topic_named(client, TOPIC)).partitions
    return sum(partition.end or 0 for partition in partitions)


def _handed_in(deployment: Deployment, key: dict[str, str], rows: Any) -> str:
    answer = deployment.ask("POST", "/jobs", content=encoded({"model": MODEL, "data": rows}), headers=key)
    if answer.status_code != 202:
        raise CannotRun(f"POST /jobs: {answer.status_code} instead of 202 ({answer.text[:200]}); next: lab status")
    return str(answer.json()["id"])


def _answered(deployment: Deployment, key: dict[str, str], ident: str) -> dict[str, Any]:
    """Return the job's view once it is no longer queued, or in time not at all."""
    deadline = time.monotonic() + deployment.amounts.patience
    while True:
        answer = deployment.ask("GET", f"/jobs/{ident}", headers=key)
        view: dict[str, Any] = answer.json()
        if view.get("status") != "queued" or time.monotonic() > deadline:
            return view
        time.sleep(POLL)


def _predicted(deployment: Deployment, rows: Any) -> Any:
    answer = deployment.ask("POST", f"/models/{MODEL}/predict", content=encoded({"data": rows}))
    return answer.json().get("result")
