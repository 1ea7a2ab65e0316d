"""Request bodies of predictions: what is taken, and what is refused as what."""

import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import RequestRefused
from app.core.rows import checked_rows, number_rows, text_rows
from tests.fake_models import info, text_info

IRIS, TEXT = info(), text_info()
finite = st.floats(allow_nan=False, allow_infinity=False)


def refusal(read, body, facts, most=1024):
    with pytest.raises(RequestRefused) as refused:
        read(body, facts, most)
    return refused.value


@given(st.lists(st.lists(finite, min_size=4, max_size=4), min_size=1, max_size=20))
def test_rows_of_finite_numbers_arrive_unchanged(rows):
    assert number_rows(json.dumps({"data": rows}).encode(), IRIS, 1024) == rows


@given(st.lists(st.text(), min_size=1, max_size=20))
def test_texts_arrive_unchanged(texts):
    assert (
        text_rows(json.dumps({"data": texts}, ensure_ascii=False).encode("utf-8", "surrogatepass"), TEXT, 1024) == texts
    )


def test_whole_numbers_are_taken_as_floats():
    (row,) = number_rows(b'{"data": [[1, 2, -3, 0]]}', IRIS, 1)
    assert row == [1.0, 2.0, -3.0, 0.0]
    assert all(type(value) is float for value in row)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "nan", "1e999", "-1e999", "0x1", "+1", ".5", "1_0"])
def test_a_number_that_is_not_finite_or_no_json_is_refused(number):
    refused = refusal(number_rows, f'{{"data": [[{number}, 1, 1, 1]]}}'.encode(), IRIS)
    assert refused.kind in {"not-json", "wrong-shape"}


@pytest.mark.parametrize("digits", [400, 5000, 100_000])
def test_a_number_of_very_many_digits_is_refused_or_finite(digits):
    body = f'{{"data": [[{"9" * digits}, 1, 1, 1]]}}'.encode()
    assert refusal(number_rows, body, IRIS).kind in {"not-json", "wrong-shape"}
    (row,) = number_rows(f'{{"data": [[0.{"9" * digits}, 1, 1, 1]]}}'.encode(), IRIS, 1)
    assert math.isfinite(row[0])


@pytest.mark.parametrize(
    ("body", "kind", "seen"),
    [
        (b"", "not-json", "JSON"),
        (b"{", "not-json", "JSON"),
        (b'{"data": [[1,2,3,4]]} x', "not-json", "JSON"),
        (b"\xff\xfe", "not-json", "JSON"),
        (b'{"data"' + b"[" * 100_000, "not-json", "JSON"),
        (b"[]", "wrong-shape", "object"),
        (b"null", "wrong-shape", "object"),
        (b"{}", "wrong-shape", "data"),
        (b'{"data": [[1,2,3,4]], "more": 1}', "wrong-shape", "more"),
        (b'{"data": null}', "wrong-shape", "null"),
        (b'{"data": [1,2,3,4]}', "wrong-shape", "at `$.data[0]`"),
        (b'{"data": [[1,2,3,"4"]]}', "wrong-shape", "str"),
        (b'{"data": [[1,2,3,null]]}', "wrong-shape", "null"),
        (b'{"data": [[1,2,3,true]]}', "wrong-shape", "bool"),
        (b'{"data": []}', "wrong-shape", "at least one"),
        (b'{"data": [[]]}', "wrong-shape", "row 0 has 0 numbers; iris takes 4"),
        (b'{"data": [[1,2,3,4],[1,2,3]]}', "wrong-shape", "row 1 has 3 numbers"),
        (b'{"data": [[1,2,3,4,5]]}', "wrong-shape", "row 0 has 5 numbers"),
    ],
)
def test_a_refusal_says_what_was_seen(body, kind, seen):
    refused = refusal(number_rows, body, IRIS)
    assert refused.kind == kind
    assert seen in refused.detail


@pytest.mark.parametrize(
    "body",
    [
        b'{"data": ["\\ud800"]}',
        b'{"data": ["\xff"]}',
        b'{"data": ["\xed\xa0\x80"]}',
        b'{"data": ["\xc0\x80"]}',
        b'{"data": ["a\nb"]}',
        b'{"data": ["' + b"a" * 1000,
    ],
)
def test_text_that_is_no_text_is_refused_as_no_json(body):
    assert refusal(text_rows, body, TEXT).kind == "not-json"


def test_numbers_for_a_text_model_are_of_the_wrong_shape():
    assert refusal(text_rows, b'{"data": [[1,2,3,4]]}', TEXT).kind == "wrong-shape"


@pytest.mark.parametrize(("read", "facts", "row"), [(number_rows, IRIS, [1, 2, 3, 4]), (text_rows, TEXT, "bien")])
def test_the_number_of_rows_is_bounded(read, facts, row):
    assert len(read(json.dumps({"data": [row] * 8}).encode(), facts, 8)) == 8
    refused = refusal(read, json.dumps({"data": [row] * 9}).encode(), facts, 8)
    assert refused.kind == "wrong-shape"
    assert "9 rows; give at most 8" in refused.detail


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_refusal(body):
    kinds = set()
    for read, facts in ((number_rows, IRIS), (text_rows, TEXT)):
        try:
            read(body, facts, 1024)
        except RequestRefused as refused:
            kinds.add(refused.kind)
    assert kinds <= {"not-json", "wrong-shape"}


@pytest.mark.parametrize(
    ("data", "facts"),
    [(b"[[1,2,3,4],[5,6,7,8]]", IRIS), (b" [ [1.5, 2, 3, 4e1] ] ", IRIS), (b'["a", "\xc3\xa9"]', TEXT)],
)
def test_the_rows_of_a_job_are_those_that_a_prediction_would_take(data, facts):
    read = text_rows if facts is TEXT else number_rows
    assert checked_rows(msgspec.Raw(data), facts, 8) == read(b'{"data":%b}' % data, facts, 8)


@pytest.mark.parametrize(
    ("data", "facts", "kind"),
    [
        (b"[]", IRIS, "wrong-shape"),
        (b"[[1,2,3,4],[1]]", IRIS, "wrong-shape"),
        (b"[[1,2,3,4]]" * 2, IRIS, "not-json"),
        (b'[[1,2,3,4]],"data":[[5,6,7,8]],"more":1', IRIS, "wrong-shape"),
        (b'["a"]', IRIS, "wrong-shape"),
        (b"[[1,2,3,4]]", TEXT, "wrong-shape"),
        (b'["\xff"]', TEXT, "not-json"),
        (b"[" + b"[1,2,3,4]," * 8 + b"[1,2,3,4]]", IRIS, "wrong-shape"),
        (b"[" * 100_000, IRIS, "wrong-shape"),
    ],
)
def test_the_rows_of_a_job_are_refused_as_those_of_a_prediction(data, facts, kind):
    assert refusal(checked_rows, msgspec.Raw(data), facts, 8).kind == kind
