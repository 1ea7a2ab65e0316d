"""The HTTP contract, row by row, against a real process."""

import json
import re

import pytest

from tests.raw_http import post, wire
from tests.sample_rows import IRIS, NUMBERS, ROWS, TEXT, tensor
from tests.service import Answer, Service

VERSIONS = {model: ["v1", "v2"] if model == "forest" else ["v1"] for model in ROWS}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
BODY = json.dumps({"data": IRIS}).encode()


def standard(answer: Answer) -> None:
    """Check the headers that every answer carries."""
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", answer.headers["x-request-id"])
    assert re.fullmatch(r"v\d+|none", answer.headers["x-model-version"])
    assert re.fullmatch(r"app;dur=\d+\.\d{3}", answer.headers["server-timing"])


def problem(answer: Answer, status: int, kind: str) -> str:
    """Check an error answer; return its detail."""
    standard(answer)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    body = answer.json()
    assert (body["type"], body["status"]) == (f"urn:lab:problem:{kind}", status)
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["title"]
    assert "Traceback" not in answer.body.decode()
    return str(body["detail"])


# --- predictions


def test_the_default_model_answers_the_two_known_flowers(service: Service):
    answer = service.post("/predict", {"data": IRIS})
    standard(answer)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == {"result": [0, 2]}
    assert answer.headers["x-model-version"] == "v1"


def test_the_default_model_is_iris(service: Service):
    assert service.post("/models/iris/predict", {"data": IRIS}).body == service.post("/predict", {"data": IRIS}).body


@pytest.mark.parametrize("rows", [1, 2, 100])
@pytest.mark.parametrize("model", NUMBERS)
def test_every_model_of_numbers_answers_a_result_per_row(service, model, rows):
    answer = service.post(f"/models/{model}/predict", {"data": [NUMBERS[model]] * rows})
    standard(answer)
    body = answer.json()
    assert list(body) == ["result"]
    assert len(body["result"]) == rows
    assert {type(value) for value in body["result"]} == {float if model == "diabetes" else int}
    assert body["result"] == pytest.approx([body["result"][0]] * rows)


def test_a_text_model_answers_labels_and_scores(service):
    answer = service.post("/models/sentiment/predict", {"data": [TEXT["sentiment"], "Pésimo, no vuelvo nunca más."]})
    assert answer.status == 200
    body = answer.json()
    assert body["result"] == ["Positivo", "Negativo"]
    for label, score in zip(body["result"], body["score"], strict=True):
        assert 0 <= score <= 1
        assert label == ("Negativo" if score < 0.45 else "Neutral" if score < 0.55 else "Positivo")


def test_unusable_numbers_are_refused_not_answered_with_infinity(service):
    answer = service.post("/models/diabetes/predict", {"data": [[1e308] * 10]})
    problem(answer, 422, "unusable-input")


# --- facts about models


def test_all_models_are_listed_with_their_facts(service):
    models = {entry["name"]: entry for entry in service.get("/models").json()["models"]}
    assert set(models) == set(ROWS)
    for name, entry in models.items():
        assert entry == service.get(f"/models/{name}").json()
        assert entry["input_shape"] == ([] if name in TEXT else [len(NUMBERS[name])])
        assert [one["version"] for one in entry["versions"]] == VERSIONS[name]
        assert {key: entry[key] for key in entry["versions"][0]} == entry["versions"][0]
        assert re.fullmatch(r"[0-9a-f]{64}", entry["sha256"])
        assert entry["accuracy"]
        assert entry["trained_on"]
        assert bool(entry["labels"]) == (name != "diabetes")
    assert models["iris"]["labels"] == ["setosa", "versicolor", "virginica"]


# --- Open Inference Protocol V2


def test_the_server_says_who_and_how_it_is(service):
    assert set(service.get("/v2").json()) == {"name", "version", "extensions"}
    assert service.get("/v2/health/live").json() == {"live": True}
    assert service.get("/v2/health/ready").json() == {"ready": True}


@pytest.mark.parametrize("model", ROWS)
def test_a_model_is_described_with_its_tensors(service, model):
    facts = service.get(f"/v2/models/{model}").json()
    assert (facts["name"], facts["versions"]) == (model, VERSIONS[model])
    datatype, shape = ("BYTES", [-1]) if model in TEXT else ("FP64", [-1, len(NUMBERS[model])])
    assert facts["inputs"] == [{"name": "input", "datatype": datatype, "shape": shape}]
    assert [one["name"] for one in facts["outputs"]] == ["result", "score"] if model in TEXT else ["result"]
    for version in VERSIONS[model]:
        assert service.get(f"/v2/models/{model}/versions/{version}").json() == facts | {"versions": [version]}
        assert service.get(f"/v2/models/{model}/versions/{version}/ready").json() == {"name": model, "ready": True}
    assert service.get(f"/v2/models/{model}/ready").json() == {"name": model, "ready": True}


@pytest.mark.parametrize("model", ROWS)
def test_inference_and_prediction_answer_the_same(service, model):
    answer = service.post(f"/v2/models/{model}/infer", {"id": "a-1", "inputs": [tensor(model, 2)]})
    standard(answer)
    body = answer.json()
    plain = service.post(f"/models/{model}/predict", {"data": [ROWS[model]] * 2}).json()
    assert (body["model_name"], body["model_version"], body["id"]) == (model, "v1", "a-1")
    assert {one["name"]: one["data"] for one in body["outputs"]} == plain
    assert all(one["shape"] == [2] for one in body["outputs"])


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_version_of_a_model_can_be_asked_for(service, version):
    answer = service.post(f"/v2/models/forest/versions/{version}/infer", {"inputs": [tensor("forest")]})
    assert answer.headers["x-model-version"] == answer.json()["model_version"] == version


def test_nested_data_and_wanted_outputs(service):
    request = {
        "inputs": [{"name": "input", "shape": [2, 4], "datatype": "FP32", "data": IRIS}],
        "outputs": [{"name": "result"}],
        "parameters": {"anything": {"goes": [1, None]}},
    }
    (output,) = service.post("/v2/models/iris/infer", request).json()["outputs"]
    assert output == {"name": "result", "shape": [2], "datatype": "INT64", "data": [0, 2]}
    answer = service.post(
        "/v2/models/sentiment/infer", {"inputs": [tensor("sentiment")], "outputs": [{"name": "score"}]}
    )
    assert [one["name"] for one in answer.json()["outputs"]] == ["score"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v2/models/oak/infer", "unknown-model"),
        ("/v2/models/forest/versions/v9/infer", "unknown-model"),
        ("/v2/models/oak/versions/v1/infer", "unknown-model"),
        ("/models/oak/predict", "unknown-model"),
    ],
)
def test_an_unknown_model_cannot_be_asked(service, path, kind):
    assert "there are:" in problem(service.post(path, {}), 404, kind)


@pytest.mark.parametrize(
    "path",
    [
        "/models/oak",
        "/v2/models/oak",
        "/v2/models/oak/ready",
        "/v2/models/iris/versions/v9",
        "/v2/models/iris/versions/v9/ready",
    ],
)
def test_an_unknown_model_is_not_there(service, path):
    assert "there are:" in problem(service.get(path), 404, "unknown-model")


# --- errors


@pytest.mark.parametrize("path", ["/predict", *(f"/models/{model}/predict" for model in ROWS), "/v2/models/iris/infer"])
def test_wrong_bodies_are_the_clients_fault(service, path):
    for body in (b"", b"{", b"\xff", b'{"data": [NaN]}', b'{"inputs": Infinity}'):
        assert service.post(path, body).status in {400, 422}
    for body in (b"", b"{", b"\xff"):
        problem(service.post(path, body), 400, "not-json")
    for body in (b"{}", b"[]", b'{"data": [], "inputs": []}', b'{"data": {}, "inputs": {}}'):
        problem(service.post(path, body), 422, "wrong-shape")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        *((method, "/predict", "POST") for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")),
        ("GET", "/models/forest/predict", "POST"),
        ("GET", "/v2/models/iris/infer", "POST"),
        ("GET", "/models/oak/predict", "POST"),
        ("POST", "/models", "GET"),
        ("DELETE", "/models/iris", "GET"),
        ("POST", "/healthz", "GET"),
        ("OPTIONS", "/v2", "GET"),
        ("PUT", "/", "GET"),
    ],
)
def test_a_wrong_method_is_told_the_right_one(service, method, path, allow):
    answer = service.request(method, path)
    problem(answer, 405, "method-not-allowed")
    assert allow in answer.headers["allow"]


@pytest.mark.parametrize(
    "path", ["/nope", "/predict/", "/PREDICT", "//predict", "/metrics", "/docs", "/models/iris/predict/x"]
)
def test_elsewhere_there_is_nothing(service, path):
    problem(service.get(path), 404, "unknown-path")


@pytest.mark.parametrize(
    ("path", "status"), [("/predict", 405), ("/models", 200), ("/healthz", 200), ("/nope", 404), ("/", 200)]
)
def test_head_answers_as_get_does_but_without_a_body(service, path, status):
    with wire(service.port) as connection:
        connection.send(f"HEAD {path} HTTP/1.1\r\nHost: lab\r\n\r\n".encode() + post("/predict", BODY))
        first, second = connection.answer(head=True), connection.answer()
    assert first is not None
    assert first.status == status
    assert first.header("x-request-id")
    assert second is not None
    assert second.body == b'{"result":[0,2]}'


def test_a_body_too_large_is_refused_before_it_is_sent(service):
    with wire(service.port) as connection:
        connection.send(b"POST /predict HTTP/1.1\r\nHost: lab\r\nContent-Length: 200000000\r\n\r\n{")
        answer = connection.answer()
    assert answer is not None
    assert answer.status == 413
    assert json.loads(answer.body)["type"] == "urn:lab:problem:too-large"


def test_a_body_at_the_limit_is_taken(service):
    for size, status in ((1 << 20, 200), ((1 << 20) + 1, 413)):
        assert service.post("/predict", BODY.ljust(size)).status == status


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\n: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /predict HTTP/9.9\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_a_problem_with_an_id_too(service, garbage):
    with wire(service.port) as connection:
        connection.send(garbage)
        answer = connection.answer()
        assert answer is not None
        assert answer.status == 400
        assert answer.header("connection") == "close"
        assert json.loads(answer.body)["request_id"] == answer.header("x-request-id")
        assert connection.closed()


# --- request ids


@pytest.mark.parametrize("path", ["/predict", "/models", "/nope"])
def test_an_id_is_taken_over_else_made_from_the_trace_else_new(service, path):
    def answered(**headers):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = service.request("POST", path, BODY, names)
        return answer.headers["x-request-id"]

    parent = f"00-{TRACE}-00f067aa0ba902b7-01"
    assert answered(x_request_id="lab.1-A_b") == "lab.1-A_b"
    assert answered(x_request_id="lab.1", traceparent=parent) == "lab.1"
    assert answered(traceparent=parent) == TRACE
    first, second = answered(), answered()
    assert first != second
    for malformed in ("a b", "x" * 129, 'a"b', "<script>"):
        assert re.fullmatch("[0-9a-f]{32}", answered(x_request_id=malformed))


# --- the page, health, the metrics' own port


def test_the_page_is_self_contained(service):
    answer = service.get("/")
    standard(answer)
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.search(rb"""(src|href)=["']?(https?:)?//""", answer.body)


def test_health_and_readiness(service):
    assert service.get("/healthz").json() == {"status": "ok"}
    ready = service.get("/readyz")
    standard(ready)
    away = dict.fromkeys(("redis", "kafka", "store"), "not configured")
    assert ready.json() == {"ready": True, "dependencies": {"models": "ok"} | away}


def test_the_metrics_are_on_their_own_port_only(service):
    assert service.get("/metrics").status == 404
    exposed = service.request("GET", "/metrics", port=service.metrics_port)
    assert exposed.headers["content-type"].startswith("text/plain")
    assert b"http_requests_total" in exposed.body
    for path in ("/predict", "/models", "/healthz", "/"):
        assert service.request("GET", path, port=service.metrics_port).status == 404
