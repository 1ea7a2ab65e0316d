"""The id of a request: taken over, from a trace, or new."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.telemetry.request_id import new_request_id, request_id

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = b"00-" + TRACE + b"-00f067aa0ba902b7-01"
made = re.compile(rb"[0-9a-f]{32}").fullmatch


@pytest.mark.parametrize("given_id", [b"a", b"A-b_c.9", b"x" * 128])
def test_a_well_formed_id_is_taken_over(given_id):
    assert request_id([(b"host", b"lab"), (b"x-request-id", given_id)]) == given_id


@pytest.mark.parametrize(
    "given_id", [b"", b"x" * 129, b"a b", b"a\tb", b"a\r\nb", b"\xff", b"a;b", b'{"a":1}', "ñ".encode()]
)
def test_a_malformed_id_is_replaced(given_id):
    assert made(request_id([(b"x-request-id", given_id)]))


def test_the_trace_id_of_a_traceparent_serves_as_id():
    assert request_id([(b"traceparent", PARENT)]) == TRACE


@pytest.mark.parametrize("headers", [[0, 1], [1, 0]])
def test_an_id_goes_before_a_trace(headers):
    pairs = [(b"x-request-id", b"mine"), (b"traceparent", PARENT)]
    assert request_id([pairs[index] for index in headers]) == b"mine"


def test_a_malformed_id_leaves_the_trace_to_serve():
    assert request_id([(b"x-request-id", b"a b"), (b"traceparent", PARENT)]) == TRACE


@pytest.mark.parametrize(
    "parent",
    [
        b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01",
        b"00-" + TRACE + b"-" + b"0" * 16 + b"-01",
        b"00-" + TRACE.upper() + b"-00f067aa0ba902b7-01",
        b"00-" + TRACE[:31] + b"-00f067aa0ba902b7-01",
        PARENT + b"\n",
        b"",
    ],
)
def test_a_malformed_traceparent_is_ignored(parent):
    found = request_id([(b"traceparent", parent)])
    assert found != TRACE
    assert made(found)


def test_new_ids_do_not_repeat():
    ids = {new_request_id() for _ in range(10_000)}
    assert len(ids) == 10_000
    assert all(made(one) for one in ids)


@given(st.lists(st.tuples(st.sampled_from([b"x-request-id", b"traceparent", b"host"]), st.binary(max_size=200))))
def test_an_id_is_always_safe_in_a_header_and_a_log_line(headers):
    assert re.fullmatch(rb"[A-Za-z0-9._\-]{1,128}", request_id(headers))
