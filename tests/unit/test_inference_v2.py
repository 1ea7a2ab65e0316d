"""The Open Inference Protocol's request and response."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import RequestRefused
from app.core.inference_v2 import NUMERIC, decoded, inputs_of, outputs_of, response, rows_of
from app.core.model import Answer
from tests.fake_models import info, text_info

IRIS, TEXT = info(), text_info()
REGRESSOR = info("diabetes", kind="regressor", labels=())
FLAT = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]


def body(data: Any, shape: list[int], datatype: str = "FP64", **more: Any) -> bytes:
    tensor = {"name": "input", "shape": shape, "datatype": datatype, "data": data}
    return json.dumps({"inputs": [tensor], **more}).encode()


def rows(data, shape, datatype="FP64", facts=IRIS, **more):
    return rows_of(decoded(body(data, shape, datatype, **more)), facts, 8)


def refused_detail(data, shape, datatype="FP64", facts=IRIS, **more):
    with pytest.raises(RequestRefused) as refused:
        rows(data, shape, datatype, facts, **more)
    assert refused.value.kind == "wrong-shape"
    return refused.value.detail


def test_flat_and_nested_data_mean_the_same_rows():
    assert rows(FLAT, [2, 4]) == rows([FLAT[:4], FLAT[4:]], [2, 4]) == [FLAT[:4], FLAT[4:]]


@pytest.mark.parametrize("datatype", sorted(NUMERIC))
def test_every_numeric_datatype_is_taken_as_floats(datatype):
    assert rows([1, 0, 1, 0], [1, 4], datatype) == [[1.0, 0.0, 1.0, 0.0]]


def test_booleans_are_numbers_here():
    assert rows([True, False, True, True], [1, 4], "BOOL") == [[1.0, 0.0, 1.0, 1.0]]


@pytest.mark.parametrize(("shape", "data"), [([2], ["a", "b"]), ([2, 1], ["a", "b"]), ([2, 1], [["a"], ["b"]])])
def test_texts_come_as_a_column_of_bytes(shape, data):
    assert rows(data, shape, "BYTES", TEXT) == ["a", "b"]


@pytest.mark.parametrize(
    ("data", "shape", "seen"),
    [
        (FLAT, [4, 2], "shape [4, 2]; want [n, 4]"),
        (FLAT, [8], "shape [8]; want [n, 4]"),
        (FLAT, [1, 2, 4], "want [n, 4]"),
        ([], [], "want [n, 4]"),
        ([], [0, 4], "at least one"),
        ([], [-1, 4], "rows"),
        (FLAT, [9, 4], "9 rows; give at most 8"),
        (FLAT, [3, 4], "data has 8 values"),
        ([FLAT[:4], FLAT[4:7]], [2, 4], "data has 7 values"),
        ([FLAT[:4], 1.0], [2, 4], "nested unevenly"),
        ([[FLAT[:4]]], [1, 4], "nested unevenly"),
        ([1, 2, 3, "4"], [1, 4], "finite numbers"),
        ([1, 2, 3, None], [1, 4], "finite numbers"),
        ([1, 2, 3, {}], [1, 4], "finite numbers"),
        ([1, 2, 3, 10**400], [1, 4], "finite numbers"),
    ],
)
def test_data_that_does_not_fit_its_shape_is_refused(data, shape, seen):
    assert seen in refused_detail(data, shape)


def test_a_text_model_takes_bytes_and_nothing_else():
    assert "takes BYTES" in refused_detail(["a"], [1], "FP64", TEXT)
    assert "must be strings" in refused_detail([1], [1], "BYTES", TEXT)
    assert "takes FP64" in refused_detail(["a"], [1], "BYTES", IRIS)


def test_one_input_is_wanted():
    tensor = json.loads(body(FLAT, [2, 4]))["inputs"][0]
    for inputs in ([], [tensor, tensor]):
        with pytest.raises(RequestRefused, match=f"{len(inputs)} inputs; iris takes one"):
            rows_of(decoded(json.dumps({"inputs": inputs}).encode()), IRIS, 8)


def test_an_output_that_the_model_does_not_have_is_refused():
    assert "no output 'score'; iris has ['result']" in refused_detail(FLAT, [2, 4], outputs=[{"name": "score"}])


def answered(facts, answer, **more):
    data, datatype = (["a", "b"], "BYTES") if facts.kind == "text" else (FLAT, "FP64")
    request = decoded(body(data, [2] if facts.kind == "text" else [2, 4], datatype, **more))
    return json.loads(msgspec.json.encode(response(request, facts, answer)))


def test_a_response_names_model_version_and_the_request_id():
    assert answered(IRIS, Answer([0, 2]), id="a-1") == {
        "model_name": "iris",
        "model_version": "v1",
        "id": "a-1",
        "outputs": [{"name": "result", "shape": [2], "datatype": "INT64", "data": [0, 2]}],
    }


def test_a_request_without_id_gets_a_response_without_id():
    assert "id" not in answered(IRIS, Answer([0, 2]))


def test_a_text_model_answers_with_labels_and_scores():
    outputs = answered(TEXT, Answer(["Neutral", "Positivo"], [0.5, 0.9]))["outputs"]
    assert [(one["name"], one["datatype"], one["data"]) for one in outputs] == [
        ("result", "BYTES", ["Neutral", "Positivo"]),
        ("score", "FP64", [0.5, 0.9]),
    ]


def test_only_the_wanted_outputs_are_answered():
    outputs = answered(TEXT, Answer(["Neutral", "Positivo"], [0.5, 0.9]), outputs=[{"name": "score"}])["outputs"]
    assert [one["name"] for one in outputs] == ["score"]


@pytest.mark.parametrize("facts", [IRIS, TEXT, REGRESSOR])
def test_the_metadata_describes_the_response(facts):
    answer = {"text": Answer(["Neutral"] * 2, [0.5] * 2)}.get(facts.kind, Answer([0, 1]))
    said = [(one.name, one.datatype, len(one.shape)) for one in outputs_of(facts)]
    assert said == [(one["name"], one["datatype"], len(one["shape"])) for one in answered(facts, answer)["outputs"]]


@pytest.mark.parametrize("facts", [IRIS, TEXT, REGRESSOR])
def test_a_request_built_from_the_metadata_is_taken(facts):
    (tensor,) = inputs_of(facts)
    shape = [2, *tensor.shape[1:]]
    data: list[Any] = ["a", "b"] if tensor.datatype == "BYTES" else [[0.5] * shape[1]] * 2
    assert len(rows(data, shape, tensor.datatype, facts)) == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
tensors = st.fixed_dictionaries(
    {"name": json_values, "shape": st.lists(st.integers(-2, 9), max_size=3) | json_values, "data": json_values},
    optional={"datatype": st.sampled_from(["FP64", "BYTES", "INT8", "OTHER"]), "parameters": json_values},
)
requests = st.fixed_dictionaries(
    {"inputs": st.lists(tensors, max_size=2) | json_values}, optional={"id": json_values, "outputs": json_values}
)


@given(st.one_of(requests, json_values).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=100))
def test_no_body_raises_anything_but_a_refusal(text):
    kinds = set()
    for facts in (IRIS, TEXT, REGRESSOR):
        try:
            rows_of(decoded(text), facts, 8)
        except RequestRefused as refused:
            kinds.add(refused.kind)
    assert kinds <= {"not-json", "wrong-shape"}
