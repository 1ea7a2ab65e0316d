"""The verdict follows the objectives, and a run that proves nothing is never good."""

from pathlib import Path
from typing import Any

import pytest

from labkit.report import build
from labkit.report.summary import Summary
from tests.samples.runs import Knobs, write_run

LOOSE = {"name": "loose", "kind": "error-ratio", "limit": 50.0, "unit": "%"}


def judged(tmp_path: Path, objectives: list[dict[str, Any]], **knobs: Any) -> Summary:
    return build(write_run(tmp_path, Knobs(objectives=objectives, seconds=12, stall_at=None, **knobs)))


def test_a_run_that_keeps_every_objective_is_good(tmp_path: Path) -> None:
    summary = judged(tmp_path, [LOOSE])
    assert (summary.verdict, summary.good, summary.valid, summary.bad) == ("good", True, True, False)


@pytest.mark.parametrize(
    ("objective", "kept"),
    [
        ({"kind": "response-time", "percentile": 99.0, "limit": 100.0, "unit": "ms"}, True),
        ({"kind": "response-time", "percentile": 99.0, "limit": 0.5, "unit": "ms"}, False),
        ({"kind": "service-time", "percentile": 50.0, "limit": 0.5, "unit": "ms"}, False),
        ({"kind": "error-ratio", "limit": 5.0, "unit": "%"}, True),
        ({"kind": "error-ratio", "limit": 1.0, "unit": "%"}, False),
        ({"kind": "goodput", "limit": 100.0, "unit": "req/s"}, True),
        ({"kind": "goodput", "limit": 1000.0, "unit": "req/s"}, False),
        ({"kind": "achieved-rate", "limit": 90.0, "unit": "%"}, True),
    ],
)
def test_each_kind_of_objective_is_kept_or_breached(tmp_path: Path, objective: dict[str, Any], kept: bool) -> None:
    summary = judged(tmp_path, [LOOSE, objective | {"name": "judged"}], failing=0.03)
    assert summary.objectives[1].good is kept
    assert summary.verdict == ("good" if kept else "breached")


def test_a_run_with_a_saturated_generator_is_never_good(tmp_path: Path) -> None:
    summary = judged(tmp_path, [LOOSE], saturated=True)
    assert all(one.good for one in summary.objectives)
    assert (summary.verdict, summary.good, summary.valid, summary.bad) == ("invalid", False, False, True)
    assert "93 % CPU" in summary.validity.reasons[0]


def test_an_invalid_run_that_breaches_is_invalid_first(tmp_path: Path) -> None:
    assert judged(tmp_path, [LOOSE | {"limit": 0.0}], saturated=True, failing=0.2).verdict == "invalid"


def test_a_closed_loop_cannot_keep_a_promise_about_response_time(tmp_path: Path) -> None:
    """Not judged, with the reason; the rest of the objectives decides."""
    promise = {"name": "p99", "kind": "response-time", "percentile": 99.0, "limit": 1e6, "unit": "ms"}
    alone = judged(tmp_path / "alone", [promise], mode="closed")
    assert (alone.objectives[0].good, alone.verdict, alone.good) == (None, "unjudged", False)
    assert "closed loop" in alone.objectives[0].note
    assert alone.latency.response_time is None
    assert judged(tmp_path / "both", [promise, LOOSE], mode="closed").verdict == "good"


def test_an_objective_for_requests_that_were_not_sent_judges_nothing(tmp_path: Path) -> None:
    missing = {"name": "p", "kind": "service-time", "route": "/nowhere", "percentile": 99.0, "limit": 1.0, "unit": "ms"}
    summary = judged(tmp_path, [missing])
    assert (summary.objectives[0].good, summary.verdict) == (None, "unjudged")


def test_an_objective_looks_only_at_the_requests_that_it_selects(tmp_path: Path) -> None:
    one = {"name": "p", "kind": "service-time", "method": "GET", "route": "/models", "percentile": 100.0, "limit": 1e6,
           "unit": "ms"}  # fmt: skip
    summary = judged(tmp_path, [one])
    route = next(r for r in summary.routes if r.name == "/models")
    assert route.latency.service_time is not None
    assert summary.objectives[0].measured == route.latency.service_time.max
    assert summary.objectives[0].selects == "GET /models"
