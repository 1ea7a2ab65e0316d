"""Connections: one write or two messages, in parts or in a piece, kept or closed, the answer is the same."""

import json

import pytest

from tests.raw_http import chunked, post, wire
from tests.sample_rows import IRIS, NUMBERS, tensor

BODY = json.dumps({"data": IRIS}).encode()
FIXED = ("X-Request-ID: same",)


def comparable(answer):
    """Return an answer but for what may differ: the time it took, and whether the connection stays open."""
    assert answer is not None
    headers = [pair for pair in answer.headers if pair[0] not in {"server-timing", "connection"}]
    assert answer.header("server-timing")
    return answer.status, headers, answer.body


REQUESTS = {
    "iris": post("/predict", BODY, *FIXED),
    "forest": post("/models/forest/predict", json.dumps({"data": [NUMBERS["forest"]]}).encode(), *FIXED),
    "text": post("/models/sentiment/predict", '{"data": ["Qué día más largo, ñandú"]}'.encode(), *FIXED),
    "infer": post("/v2/models/iris/infer", json.dumps({"id": "é", "inputs": [tensor("iris")]}).encode(), *FIXED),
    "refused": post("/predict", b"{}", *FIXED),
    "unknown": post("/nope", b"{}", *FIXED),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_all_ways_to_ask_get_the_same_answer(service, name):
    request = REQUESTS[name]
    head, _, body = request.partition(b"\r\n\r\n")
    path = head.split()[1].decode()
    with wire(service.port) as connection:
        connection.send(request)
        wanted = connection.answer()
        assert wanted is not None
        assert wanted.header("connection") is None
        ways = {
            "again on the same connection": [request],
            "in two parts": [head[:20], request[20:]],
            "body after the head": [head + b"\r\n\r\n", body],
            "byte by byte": [request[index : index + 1] for index in range(len(request))],
            "chunked": [chunked(path, body[:1], body[1:]).replace(b"\r\n\r\n", b"\r\nX-Request-ID: same\r\n\r\n", 1)],
        }
        for way, parts in ways.items():
            for part in parts:
                connection.send(part)
            assert comparable(connection.answer()) == comparable(wanted), way
    closing = {
        "asked to close": request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1),
        "HTTP/1.0": request.replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    }
    for way, data in closing.items():
        with wire(service.port) as connection:
            connection.send(data)
            answer = connection.answer()
            assert comparable(answer) == comparable(wanted), way
            assert answer is not None
            assert answer.header("connection") == "close", way
            assert connection.closed(), way


def test_pipelined_requests_are_answered_in_order(service):
    bodies = [json.dumps({"data": [NUMBERS["forest"]] * (number % 3 + 1)}).encode() for number in range(20)]
    requests = [
        post("/models/forest/predict" if number % 2 else "/nope", body, f"X-Request-ID: id-{number}")
        for number, body in enumerate(bodies)
    ]
    with wire(service.port) as connection:
        connection.send(b"".join(requests))
        answers = [connection.answer() for _ in requests]
    for number, answer in enumerate(answers):
        assert answer is not None
        assert answer.header("x-request-id") == f"id-{number}"
        assert answer.status == (200 if number % 2 else 404)
        if number % 2:
            assert len(json.loads(answer.body)["result"]) == number % 3 + 1


def test_a_client_that_asks_first_is_told_to_continue(service):
    with wire(service.port) as connection:
        connection.send(post("/predict", b"", "Expect: 100-continue").replace(b"Length: 0", b"Length: %d" % len(BODY)))
        go_on = connection.answer()
        assert go_on is not None
        assert go_on.status == 100
        connection.send(BODY)
        answer = connection.answer()
    assert answer is not None
    assert answer.body == b'{"result":[0,2]}'


def test_a_client_that_asks_first_with_too_much_is_refused_at_once(service):
    with wire(service.port) as connection:
        connection.send(
            b"POST /predict HTTP/1.1\r\nHost: lab\r\nContent-Length: 9999999\r\nExpect: 100-continue\r\n\r\n"
        )
        answer = connection.answer()
    assert answer is not None
    assert answer.status == 413


def test_one_connection_serves_many_requests(service):
    with wire(service.port) as connection:
        for number in range(500):
            connection.send(post("/predict", BODY, f"X-Request-ID: {number}"))
            answer = connection.answer()
            assert answer is not None
            assert (answer.header("x-request-id"), answer.body) == (str(number), b'{"result":[0,2]}')
