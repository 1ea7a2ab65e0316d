"""The error table."""

import json
from http import HTTPStatus

import pytest

from app.api.problems import KINDS, kind_of_status, problem


@pytest.mark.parametrize("kind", KINDS)
def test_a_problem_names_its_kind_status_and_request(kind):
    status, body = problem(kind, "what was seen", b"id-1")
    assert json.loads(body) == {
        "type": f"urn:lab:problem:{kind}",
        "title": KINDS[kind].title,
        "status": status,
        "detail": "what was seen",
        "request_id": "id-1",
    }
    assert status == KINDS[kind].status == HTTPStatus(status)


def test_the_service_blames_itself_only_for_failures_and_its_limits():
    own = {"internal", "overloaded", "not-ready", "queue-away", "store-away"}
    assert {kind for kind, (status, _) in KINDS.items() if status >= 500} == own


@pytest.mark.parametrize("status", range(400, 600))
def test_every_error_of_the_framework_has_a_kind_of_its_class(status):
    kind = kind_of_status(status)
    assert KINDS[kind].status // 100 == status // 100


@pytest.mark.parametrize("status", [404, 405, 413, 422])
def test_the_usual_errors_of_the_framework_keep_their_status(status):
    assert KINDS[kind_of_status(status)].status == status


def test_a_detail_of_any_length_makes_a_short_answer():
    _, body = problem("wrong-shape", "x" * 1_000_000, b"id-1")
    assert len(body) < 2000
