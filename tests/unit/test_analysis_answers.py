"""What the API's answers say."""

import math
from datetime import timedelta

import httpx
import pytest

from notebooks.analysis import answers


def answered(status: int = 200, took_ms: float = 3.0, **more) -> httpx.Response:
    response = httpx.Response(status, **more)
    response.elapsed = timedelta(milliseconds=took_ms)
    return response


def inside(ms: float, took_ms: float = 3.0) -> httpx.Response:
    return answered(took_ms=took_ms, headers={"server-timing": f"app;dur={ms}"})


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("app;dur=0.080", {"app": 0.08}),
        ('cache;desc="hit";dur=1.5, db;dur="2"', {"cache": 1.5, "db": 2.0}),
        ("miss, total;DUR=3", {"total": 3.0}),
        ("", {}),
    ],
)
def test_a_server_timing_header_is_read(header, found):
    assert answers.server_timing(header) == found


def test_the_way_is_what_the_service_did_not_take():
    times = answers.timings([inside(1.0), answered()])
    assert times.loc[0].to_dict() == {"whole": 3.0, "service": 1.0, "way": 2.0}
    assert math.isnan(times.loc[1, "service"])


def test_a_row_costs_its_share_of_the_request():
    found = answers.by_rows({1: [inside(1.0), inside(3.0), inside(2.0)], 8: [inside(4.0)]})
    assert found["a row"].to_dict() == {1: 2.0, 8: 0.5}


def test_what_is_no_problem_json_shows_as_such():
    said = {"type": "urn:x", "title": "No", "detail": "because", "status": 422}
    good = answered(422, json=said, headers={"content-type": "application/problem+json"})
    table = answers.problems({"good": good, "bad": answered(500, text="Traceback")})
    assert table.loc["good", ["status", "type", "detail"]].tolist() == [422, "urn:x", "because"]
    assert table.loc["bad", ["status", "content type", "title"]].tolist() == [500, "text/plain", ""]


def test_models_are_a_table_by_name():
    listed = answered(json={"models": [{"name": "iris", "version": "v1", "kind": "classifier", "sha256": "…"}]})
    assert answers.models_table(listed).to_dict("index") == {"iris": {"version": "v1", "kind": "classifier"}}


def test_the_answer_is_computed_from_all_four():
    job = answers.job_steps(
        [answered(202, json={"status": "queued"}), answered(json={"status": "done", "result": [1]})]
    )
    rows = answers.by_rows({1: [inside(0.2)], 64: [inside(0.64)]})
    refused = answers.problems({"bad": answered(500, text="Traceback")})
    said = answers.answer(answers.timings([inside(1.0)]), rows, refused, job)
    assert "takes 3.00 ms (median); 1.00 ms of it inside the service, 2.00 ms on the way" in said
    assert "200 µs alone and 10.0 µs in a request of 64 rows: 20 times less" in said
    assert "not all were refused as problem+json, with statuses 500" in said
    assert "done after 1 questions, with the result [1]" in said
