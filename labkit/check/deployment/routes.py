"""The HTTP contract through the edge: every route, and what is refused."""

import secrets
from collections.abc import Iterable

from labkit.check.deployment.asking import IRIS, PROBLEM, Asked, encoded, sent, wrong
from labkit.check.deployment.subject import Deployment
from labkit.check.finding import Finding, verdict

ROWS = encoded({"data": IRIS})
TENSOR = encoded({"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP64", "data": IRIS[0]}]})
JOB = encoded({"model": "iris", "data": IRIS})
FEEDBACK = encoded({"model": "iris", "data": IRIS, "label": 0})
NOWHERE = "0" * 32
MOST_BYTES = 1 << 20
WRONG = ("type", "title", "status", "detail", "request_id")
MOST_TOLD = 3

OPEN = (
    Asked("GET", "/", 200, kind="text/html"),
    Asked("GET", "/healthz", 200, has=("status",)),
    Asked("GET", "/readyz", 200, has=("ready", "dependencies")),
    Asked("POST", "/predict", 200, ROWS, has=("result",)),
    Asked("POST", "/models/iris/predict", 200, ROWS, has=("result",)),
    Asked("POST", "/models/sentiment/predict", 200, encoded({"data": ["Todo bien."]}), has=("result", "score")),
    Asked("GET", "/models", 200, has=("models",)),
    Asked("GET", "/models/iris", 200, has=("name", "version", "kind", "input_shape", "labels", "sha256", "accuracy")),
    Asked("GET", "/v2", 200, has=("name", "version")),
    Asked("GET", "/v2/health/live", 200, has=("live",)),
    Asked("GET", "/v2/health/ready", 200, has=("ready",)),
    Asked("GET", "/v2/models/iris", 200, has=("name", "inputs", "outputs")),
    Asked("GET", "/v2/models/iris/ready", 200, has=("ready",)),
    Asked("POST", "/v2/models/iris/infer", 200, TENSOR, has=("model_name", "outputs")),
    Asked("GET", "/metrics", 404, kind=PROBLEM, has=WRONG),  # on its own port, never on the public entry
)
LOCKED = (
    Asked("POST", "/jobs", 401, JOB, kind=PROBLEM, has=WRONG),
    Asked("GET", f"/jobs/{NOWHERE}", 401, kind=PROBLEM, has=WRONG),
    Asked("POST", "/feedback", 401, FEEDBACK, kind=PROBLEM, has=WRONG),
)
REFUSED = (
    Asked("POST", "/predict", 400, b"{", kind=PROBLEM, has=WRONG),
    Asked("POST", "/predict", 400, b'{"data": [[NaN, 1, 1, 1]]}', kind=PROBLEM, has=WRONG),
    Asked("POST", "/predict", 400, b"", kind=PROBLEM, has=WRONG),
    Asked("POST", "/predict", 422, b'{"data": [[1, 2]]}', kind=PROBLEM, has=WRONG),
    Asked("POST", "/predict", 422, b"[]", kind=PROBLEM, has=WRONG),
    Asked("POST", "/v2/models/iris/infer", 422, b"{}", kind=PROBLEM, has=WRONG),
    Asked("POST", "/predict", 413, ROWS.ljust(MOST_BYTES + 1), kind=PROBLEM, has=WRONG),
    Asked("POST", "/models/oak/predict", 404, ROWS, kind=PROBLEM, has=WRONG),
    Asked("GET", "/models/oak", 404, kind=PROBLEM, has=WRONG),
    Asked("GET", "/nowhere", 404, kind=PROBLEM, has=WRONG),
    Asked("GET", "/predict", 405, kind=PROBLEM, has=WRONG),
    Asked("DELETE", "/models", 405, kind=PROBLEM, has=WRONG),
)


def check_every_route_answers(deployment: Deployment) -> Finding:
    """Every route of the HTTP contract answers with its status, and the metrics are not among them."""
    return _finding(deployment, (*OPEN, *LOCKED, *_keyed(deployment)), "routes answer as documented")


def check_wrong_input_is_refused(deployment: Deployment) -> Finding:
    """Input that is wrong gets 400, 404, 405, 413 or 422 and says why, as application/problem+json."""
    return _finding(deployment, REFUSED, "wrong requests refused as documented")


def _keyed(deployment: Deployment) -> Iterable[Asked]:
    if deployment.engine is None and deployment.key is None:
        return ()  # the routes of whoever has a key; the check of jobs says that it is missing
    key = deployment.keyed()
    once = key | {"Idempotency-Key": secrets.token_hex(16)}
    return (
        Asked("POST", "/jobs", 202, JOB, once, has=("id", "status")),
        Asked("GET", f"/jobs/{NOWHERE}", 404, headers=key, kind=PROBLEM, has=WRONG),
        Asked("POST", "/feedback", 201, FEEDBACK, once, has=("id",)),
    )


def _finding(deployment: Deployment, requests: Iterable[Asked], what: str) -> Finding:
    told = [wrong(asked, sent(deployment, asked)) for asked in requests]
    bad = [problem for problem in told if problem]
    seen = f"{len(told) - len(bad)} of {len(told)} {what}"
    if bad:
        seen += ": " + "; ".join(bad[:MOST_TOLD])
    next_step = "ask a replica directly (lab urls): a right answer there means that the edge changes it"
    return verdict(not bad, seen, next_step, asked=len(told), right=len(told) - len(bad), wrong=bad)
