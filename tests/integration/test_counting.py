"""Everything sent is counted and logged, exactly; nothing that a client chooses becomes a label."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.sample_rows import IRIS, ROWS, tensor

# What no route takes is counted as one.
LABELS = {"GET": "GET", "POST": "POST", "DELETE": "OTHER"}


def mixed_requests():
    """Requests of all kinds: (method, path, document, expected route, expected status, predicted rows by model)."""
    for model, row in ROWS.items():
        rows = len(model)
        yield "POST", f"/models/{model}/predict", {"data": [row] * rows}, "/models/{model}/predict", 200, {model: rows}
        yield (
            "POST",
            f"/v2/models/{model}/infer",
            {"inputs": [tensor(model)]},
            "/v2/models/{model}/infer",
            200,
            {model: 1},
        )
        yield "POST", f"/models/{model}/predict", {"data": []}, "/models/{model}/predict", 422, {}
        yield "GET", f"/models/{model}", None, "/models/{model}", 200, {}
        yield "GET", f"/v2/models/{model}", None, "/v2/models/{model}", 200, {}
    versioned = "/v2/models/{model}/versions/{version}/infer"
    forest = {"inputs": [tensor("forest")]}
    yield "POST", "/v2/models/forest/versions/v2/infer", forest, versioned, 200, {"forest": 1}
    yield "POST", "/predict", {"data": IRIS}, "/predict", 200, {"iris": 2}
    yield "GET", "/predict", None, "other", 405, {}
    yield "POST", "/models/oak/predict", {}, "/models/{model}/predict", 404, {}
    yield "GET", "/models/oak", None, "/models/{model}", 404, {}
    yield "GET", "/models", None, "/models", 200, {}
    yield "GET", "/", None, "/", 200, {}
    yield "GET", "/healthz", None, "/healthz", 200, {}
    yield "GET", "/v2/health/live", None, "/v2/health/live", 200, {}
    yield "GET", "/nowhere", None, "other", 404, {}
    yield "DELETE", "/healthz", None, "other", 405, {}


def test_everything_sent_is_counted_and_logged_exactly(service):
    rounds, before, logged_before = 12, service.settled(), len(service.records())
    sent = [(number, one) for number in range(rounds) for one in mixed_requests()]

    def send(item):
        number, (method, path, document, _, status, _) = item
        body = None if document is None else json.dumps(document).encode()
        answer = service.request(method, path, body, {"X-Request-ID": f"count-{number}"})
        assert answer.status == status, (path, answer)

    with ThreadPoolExecutor(8) as senders:
        list(senders.map(send, sent))
    after = service.settled()

    def delta(name, **labels):
        return after.total(name, **labels) - before.total(name, **labels)

    expected = Counter((LABELS[method], route, status) for _, (method, _, _, route, status, _) in sent)
    for (method, route, status), count in expected.items():
        assert delta("http_requests_total", method=method, route=route, status=str(status)) == count, (route, status)
    assert delta("http_requests_total") == len(sent)
    for method, route in {(method, route) for method, route, _ in expected}:
        wanted = sum(count for (m, r, _), count in expected.items() if (m, r) == (method, route))
        assert delta("http_request_duration_seconds_count", method=method, route=route) == wanted
        assert delta("http_request_duration_seconds_bucket", method=method, route=route, le="+Inf") == wanted

    predicted: Counter[str] = Counter()
    for _, one in sent:
        predicted.update(one[5])
    for model, rows in predicted.items():
        computed, cached = (delta("predictions_total", model=model, outcome=one) for one in ("computed", "cached"))
        assert computed + cached == rows, model
        assert (cached > 0) == (model in {"forest", "sentiment"}), model
        if model != "diabetes":
            assert delta("prediction_labels_total", model=model) == rows
        # One refusal a round for its wrong shape, and for iris one for its wrong method.
        assert delta("predictions_total", model=model, outcome="invalid") == rounds * (2 if model == "iris" else 1)
    assert delta("prediction_score_count", model="sentiment") == predicted["sentiment"]
    looked_up = delta("cache_requests_total", tier="process")
    assert looked_up == rounds * 5  # two requests for sentiment, three for forest

    records = service.records()[logged_before:]
    records = [record for record in records if record["_request_id"].startswith("count-")]
    assert Counter((one["_method"], one["_route"], one["_status"]) for one in records) == expected
    assert delta("log_records_total", sink="stdout", outcome="written") == len(sent)
    assert after.total("log_records_total", outcome="dropped") == 0
    assert all(one["host"] == "api-test" and one["_duration_us"] > 0 for one in records)
    with_model = [one for one in records if one["_model"]]
    assert {one["_model"] for one in with_model} == set(ROWS)
    assert {one["_model_version"] for one in with_model} in ({"v1", "v2"}, {"v1"})
    assert after.total("http_requests_in_flight") == 0
    assert after.total("model_queue_rows") == 0
