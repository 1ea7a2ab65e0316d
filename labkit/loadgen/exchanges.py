"""Requests together with what their answer must be, for the routes of the service's HTTP contract."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from labkit.loadgen.answers import (
    WRONG_ANSWER,
    Answer,
    BadAnswer,
    Check,
    check_labels,
    check_numbers,
    check_problem,
    check_sentiment,
    check_status,
    decoded,
    member,
)
from labkit.loadgen.bodies import MODELS, Model, Values, rows_for

DEFAULT_MODEL = "iris"
PREDICT, MODEL_PREDICT, MODEL_INFER = "/predict", "/models/{model}/predict", "/v2/models/{model}/infer"


@dataclass(frozen=True)
class Exchange:
    """One request, the route template under which both sides count it, and the check of its answer."""

    method: str
    path: str
    route: str
    check: Check
    body: bytes | None = None


def predict(model_name: str, draw: int, *, rows: int | None = None) -> Exchange:
    """Ask `/models/{model}/predict` for the inputs that `draw` decides."""
    model = MODELS[model_name]
    data = rows_for(model, draw, rows)
    body = msgspec.json.encode({"data": data})
    return Exchange("POST", f"/models/{model_name}/predict", MODEL_PREDICT, prediction_check(model, data), body)


def predict_default(draw: int) -> Exchange:
    """Ask `/predict`, the default model."""
    model = MODELS[DEFAULT_MODEL]
    data = rows_for(model, draw)
    return Exchange("POST", PREDICT, PREDICT, prediction_check(model, data), msgspec.json.encode({"data": data}))


def prediction_check(model: Model, data: Values) -> Check:
    rows = len(data)

    def check(answer: Answer) -> None:
        check_status(answer, 200)
        if not answer.headers.get("x-model-version"):
            raise BadAnswer(WRONG_ANSWER, "no X-Model-Version")
        document = decoded(answer)
        check_results(model, rows, member(document, "result", list), document.get("score"))

    return check


def check_results(model: Model, rows: int, results: list[Any], scores: Any) -> None:
    """Raise BadAnswer unless the results are what this model can answer to this number of rows."""
    if model.kind == "text":
        if not isinstance(scores, list):
            raise BadAnswer(WRONG_ANSWER, "score is no list", repr(scores)[:200])
        check_sentiment(results, scores, rows)
    elif model.labels is None:
        check_numbers(results, rows)
    else:
        check_labels(results, rows, model.labels)


INVALID: tuple[tuple[bytes, tuple[int, ...]], ...] = (
    (b'{"data": [[5.1, 3.5,', (400,)),
    (b'{"data": [[NaN, 3.5, 1.4, 0.2]]}', (400,)),
    (b'{"data": [[5.1, 3.5]]}', (422,)),
    (b'{"data": [["a", "b", "c", "d"]]}', (422,)),
    (b'{"data": []}', (422,)),
    (b'{"rows": [[5.1, 3.5, 1.4, 0.2]]}', (422,)),
    (b'{"data": [[1e999, 3.5, 1.4, 0.2]]}', (400, 422)),
)
"""Bodies that must be refused, and with which status."""


def predict_invalid(draw: int) -> Exchange:
    """Send a body that cannot be answered; the service must say so, in the right form."""
    body, statuses = INVALID[draw % len(INVALID)]
    return Exchange("POST", PREDICT, PREDICT, lambda answer: check_problem(answer, *statuses), body)


def page() -> Exchange:
    def check(answer: Answer) -> None:
        check_status(answer, 200)
        kind = answer.headers.get("content-type") or ""
        if not kind.startswith("text/html") or b"</html>" not in answer.body:
            raise BadAnswer(WRONG_ANSWER, "the page is no whole HTML document", f"{kind!r}, {len(answer.body)} bytes")

    return Exchange("GET", "/", "/", check)


def model_list() -> Exchange:
    def check(answer: Answer) -> None:
        check_status(answer, 200)
        listed = member(decoded(answer), "models", list)
        names = {model.get("name") for model in listed if isinstance(model, dict)}
        if missing := MODELS.keys() - names:
            raise BadAnswer(WRONG_ANSWER, "a model is missing from /models", f"missing: {sorted(missing)}")

    return Exchange("GET", "/models", "/models", check)


def model_facts(draw: int) -> Exchange:
    name = list(MODELS)[draw % len(MODELS)]

    def check(answer: Answer) -> None:
        check_status(answer, 200)
        facts = decoded(answer)
        check_name(facts, "name", name)
        if len(member(facts, "sha256", str)) != 64:
            raise BadAnswer(WRONG_ANSWER, "sha256 has not 64 digits", repr(facts["sha256"]))
        member(facts, "version", str)

    return Exchange("GET", f"/models/{name}", "/models/{model}", check)


def check_name(document: dict[str, Any], key: str, name: str) -> None:
    if member(document, key, str) != name:
        raise BadAnswer(WRONG_ANSWER, f"{key} is another one than asked for", f"{document[key]!r}, not {name!r}")


def infer(model_name: str, draw: int) -> Exchange:
    """Ask the Open Inference Protocol (V2) for the inputs that `draw` decides; text goes as BYTES."""
    model = MODELS[model_name]
    data = rows_for(model, draw)
    text = model.kind == "text"
    values = data if text else [value for row in data for value in row]
    shape = [len(data)] if text else [len(data), len(data[0])]
    tensor = {"name": "input", "shape": shape, "datatype": "BYTES" if text else "FP64", "data": values}
    request_id = f"draw-{draw}"
    body = msgspec.json.encode({"id": request_id, "inputs": [tensor]})

    def check(answer: Answer) -> None:
        check_status(answer, 200)
        document = decoded(answer)
        check_name(document, "model_name", model_name)
        check_name(document, "id", request_id)
        outputs = {}
        for output in member(document, "outputs", list):
            values = member(output, "data", list)
            if member(output, "shape", list) != [len(values)]:
                raise BadAnswer(WRONG_ANSWER, "an output whose shape is not its data's", repr(output)[:300])
            outputs[member(output, "name", str)] = values
        check_results(model, len(data), member(outputs, "result", list), outputs.get("score"))

    return Exchange("POST", f"/v2/models/{model_name}/infer", MODEL_INFER, check, body)


def server_facts() -> Exchange:
    def check(answer: Answer) -> None:
        check_status(answer, 200)
        document = decoded(answer)
        member(document, "name", str)
        member(document, "version", str)
        member(document, "extensions", list)

    return Exchange("GET", "/v2", "/v2", check)


def server_ready() -> Exchange:
    return Exchange("GET", "/v2/health/ready", "/v2/health/ready", _only(200))


def server_live() -> Exchange:
    return Exchange("GET", "/v2/health/live", "/v2/health/live", _only(200))


def model_metadata(model_name: str) -> Exchange:
    text = MODELS[model_name].kind == "text"

    def check(answer: Answer) -> None:
        check_status(answer, 200)
        document = decoded(answer)
        check_name(document, "name", model_name)
        inputs = member(document, "inputs", list)
        wanted = "BYTES" if text else "FP64"
        if [tensor.get("datatype") for tensor in inputs if isinstance(tensor, dict)] != [wanted]:
            raise BadAnswer(WRONG_ANSWER, "other inputs than the model's", repr(inputs)[:300])
        member(document, "outputs", list)

    return Exchange("GET", f"/v2/models/{model_name}", "/v2/models/{model}", check)


def model_ready(model_name: str) -> Exchange:
    return Exchange("GET", f"/v2/models/{model_name}/ready", "/v2/models/{model}/ready", _only(200))


def _only(status: int) -> Callable[[Answer], None]:
    return lambda answer: check_status(answer, status)
