"""An answer is judged by all that it says, not by its status alone."""

from typing import Any

import msgspec
import pytest

from labkit.loadgen import exchanges
from labkit.loadgen.answers import REFUSED, WRONG_ANSWER, WRONG_STATUS, Answer, BadAnswer, check_request_id
from labkit.loadgen.bodies import MODELS, POPULAR, POPULAR_SHARE, rows_for
from labkit.loadgen.exchanges import Exchange

HEADERS = {"x-model-version": "v1", "content-type": "application/json", "x-request-id": "a"}
PROBLEM = {"content-type": "application/problem+json"}


def answer(document: Any, status: int = 200, headers: dict[str, str] = HEADERS) -> Answer:
    return Answer(status, headers, document if isinstance(document, bytes) else msgspec.json.encode(document))


def rows_in(exchange: Exchange) -> int:
    assert exchange.body is not None
    return len(msgspec.json.decode(exchange.body)["data"])


def kind_of(exchange: Exchange, got: Answer) -> str | None:
    try:
        exchange.check(got)
    except BadAnswer as bad:
        return bad.kind
    return None


IRIS = exchanges.predict("iris", 1, rows=3)
TEXT = exchanges.predict("sentiment", 1, rows=2)


@pytest.mark.parametrize(
    ("exchange", "document", "kind"),
    [
        (IRIS, {"result": [0, 1, 2]}, None),
        (IRIS, {"result": [0, 1]}, WRONG_ANSWER),
        (IRIS, {"result": [0, 1, 3]}, WRONG_ANSWER),
        (IRIS, {"result": [0, 1, True]}, WRONG_ANSWER),
        (IRIS, {"result": [0, 1, 1.0]}, WRONG_ANSWER),
        (IRIS, {"result": "012"}, WRONG_ANSWER),
        (IRIS, {"results": [0, 1, 2]}, WRONG_ANSWER),
        (IRIS, b"[0, 1, 2]", WRONG_ANSWER),
        (IRIS, b'{"result": [0, 1,', WRONG_ANSWER),
        (exchanges.predict("diabetes", 1, rows=2), {"result": [1.5, 150]}, None),
        (exchanges.predict("diabetes", 1, rows=2), {"result": [1.5, "150"]}, WRONG_ANSWER),
        (TEXT, {"result": ["Positivo", "Negativo"], "score": [0.9, 0.1]}, None),
        (TEXT, {"result": ["Positivo", "Negativo"], "score": [0.1, 0.1]}, WRONG_ANSWER),
        (TEXT, {"result": ["Positivo", "Negativo"], "score": [0.9]}, WRONG_ANSWER),
        (TEXT, {"result": ["Positivo", "Negativo"]}, WRONG_ANSWER),
        (TEXT, {"result": ["Positivo", "Bueno"], "score": [0.9, 0.1]}, WRONG_ANSWER),
        (TEXT, {"result": ["Positivo", "Positivo"], "score": [0.9, 1.1]}, WRONG_ANSWER),
    ],
)
def test_predictions_are_checked_by_number_type_and_label(exchange: Exchange, document: Any, kind: str | None) -> None:
    assert kind_of(exchange, answer(document)) == kind


def test_a_prediction_without_a_version_is_wrong() -> None:
    assert kind_of(IRIS, answer({"result": [0, 1, 2]}, headers={})) == WRONG_ANSWER


def test_a_refusal_that_says_when_to_come_back_is_told_apart_from_a_wrong_status() -> None:
    assert kind_of(IRIS, answer({}, 503, {"retry-after": "1"})) == REFUSED
    assert kind_of(IRIS, answer({}, 503, {})) == WRONG_STATUS
    assert kind_of(IRIS, answer({}, 500)) == WRONG_STATUS


def test_an_invalid_body_must_be_refused_as_a_problem_document() -> None:
    for draw in range(len(exchanges.INVALID)):
        exchange = exchanges.predict_invalid(draw)
        status = exchanges.INVALID[draw][1][0]
        problem = {"type": "/problems/x", "status": status}
        assert kind_of(exchange, answer(problem, status, PROBLEM)) is None
        assert kind_of(exchange, answer(problem, status, HEADERS)) == WRONG_ANSWER
        assert kind_of(exchange, answer({"type": "/problems/x", "status": 404}, status, PROBLEM)) == WRONG_ANSWER
        assert kind_of(exchange, answer({"result": [0]})) == WRONG_STATUS


def test_the_request_id_must_come_back() -> None:
    check_request_id(answer({}), "a")
    for headers in ({"x-request-id": "b"}, {}):
        with pytest.raises(BadAnswer):
            check_request_id(answer({}, headers=headers), "a")


def test_inference_protocol_answers_are_checked() -> None:
    exchange = exchanges.infer("iris", 5)
    assert exchange.body is not None
    request = msgspec.json.decode(exchange.body)
    rows = request["inputs"][0]["shape"][0]
    assert len(request["inputs"][0]["data"]) == rows * 4
    output = {"name": "result", "shape": [rows], "datatype": "INT64", "data": [0] * rows}
    good = {"model_name": "iris", "model_version": "v1", "id": request["id"], "outputs": [output]}
    assert kind_of(exchange, answer(good)) is None
    assert kind_of(exchange, answer(good | {"id": "other"})) == WRONG_ANSWER
    assert kind_of(exchange, answer(good | {"model_name": "forest"})) == WRONG_ANSWER
    assert kind_of(exchange, answer(good | {"outputs": [output | {"shape": [rows + 1]}]})) == WRONG_ANSWER
    assert kind_of(exchange, answer(good | {"outputs": [output | {"data": [9] * rows}]})) == WRONG_ANSWER


def test_pages_and_lists_are_checked() -> None:
    html = {"content-type": "text/html; charset=utf-8"}
    assert kind_of(exchanges.page(), answer(b"<html></html>", headers=html)) is None
    assert kind_of(exchanges.page(), answer(b"<html>", headers=html)) == WRONG_ANSWER
    names = [{"name": name} for name in MODELS]
    assert kind_of(exchanges.model_list(), answer({"models": names})) is None
    assert kind_of(exchanges.model_list(), answer({"models": names[1:]})) == WRONG_ANSWER


@pytest.mark.parametrize("name", MODELS)
def test_a_draw_decides_the_input(name: str) -> None:
    first, again, other = (exchanges.predict(name, draw).body for draw in (1234, 1234, 1235))
    assert first == again
    assert first != other


def test_some_inputs_are_popular_and_the_others_new() -> None:
    bodies = [exchanges.predict("iris", draw).body for draw in range(20_000)]
    repeated = len(bodies) - len(set(bodies))
    assert repeated / len(bodies) == pytest.approx(POPULAR_SHARE / 100, abs=0.02)
    popular = [body for draw, body in enumerate(bodies) if draw % 100 < POPULAR_SHARE]
    assert len(set(popular)) == POPULAR


def test_a_bulk_request_has_the_rows_it_was_asked_for() -> None:
    assert rows_in(exchanges.predict("forest", 9, rows=32)) == 32
    assert len(rows_for(MODELS["digits"], 3, 5)[0]) == 64
