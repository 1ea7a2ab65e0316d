"""Sent = counted: exact when it is, and every difference is seen, placed and explained by what the data shows."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labkit.report.prometheus import Series, ServerView
from labkit.report.reconcile import Reconciliation, reconciliation
from labkit.report.run_folder import read_run
from tests.samples.runs import METRICS, Knobs, write_run

NO_VIEW = ServerView(None, problem="not asked")
Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path, Knobs(seconds=12, stall_at=None, failing=0.01))


def found(run: Path, view: ServerView = NO_VIEW) -> Reconciliation:
    return reconciliation(read_run(run), view)


def edit(path: Path, change: Edit) -> None:
    facts = json.loads(path.read_text(encoding="utf-8"))
    change(facts)
    path.write_text(json.dumps(facts), encoding="utf-8")


def counter(counters: dict[str, Any], url: str, route: str, status: str, side: str = "after") -> dict[str, Any]:
    samples: list[dict[str, Any]] = counters[side][url]["samples"]
    return next(s for s in samples if (s["labels"].get("route"), s["labels"].get("status")) == (route, status))


def test_a_complete_run_adds_up_to_the_last_request(run: Path) -> None:
    """Requests from before the run and the probes during it are left out."""
    truth = found(run)
    assert truth.exact
    assert (truth.difference, truth.unmatched, truth.explanations) == (0, 0, ())
    assert truth.sent == truth.counted == sum(entry.sent for entry in read_run(run).entries)
    assert all(row.route != "/readyz" for row in truth.rows)


def test_one_request_too_few_at_a_replica_is_a_difference(run: Path) -> None:
    """The control of the line above: one lost count, and the row that lost it is named."""

    def lose_one(counters: dict[str, Any]) -> None:
        counter(counters, METRICS[0], "/predict", "200")["value"] -= 1

    edit(run / "counters.json", lose_one)
    truth = found(run)
    assert (truth.exact, truth.difference, truth.unmatched) == (False, 1, 1)
    assert [(row.route, row.status) for row in truth.rows if row.difference] == [("/predict", "200")]


def test_differences_that_cancel_out_are_still_differences(run: Path) -> None:
    def swap(counters: dict[str, Any]) -> None:
        counter(counters, METRICS[0], "/predict", "200")["value"] -= 2
        counter(counters, METRICS[0], "/predict", "503")["value"] += 2

    edit(run / "counters.json", swap)
    truth = found(run)
    assert (truth.difference, truth.unmatched, truth.exact) == (0, 4, False)


def test_other_traffic_on_a_route_of_the_run_is_named(run: Path) -> None:
    def intrude(counters: dict[str, Any]) -> None:
        counter(counters, METRICS[1], "/predict", "200")["value"] += 3

    edit(run / "counters.json", intrude)
    assert any(text.startswith("3 POST /predict with status 200") for text in found(run).explanations)


def test_traffic_on_other_routes_is_told_apart_from_the_run(run: Path) -> None:
    def browse(counters: dict[str, Any]) -> None:
        sample = {"name": "http_requests_total", "labels": {"method": "GET", "route": "/", "status": "200"}, "value": 2}
        counters["after"][METRICS[0]]["samples"].append(sample)

    edit(run / "counters.json", browse)
    truth = found(run)
    assert truth.exact
    assert truth.elsewhere == {"GET /": 2}


@pytest.mark.parametrize("sign", ["start time", "counter went back"])
def test_a_restarted_replica_is_noticed(run: Path, sign: str) -> None:
    def restart(counters: dict[str, Any]) -> None:
        samples = counters["after"][METRICS[0]]["samples"]
        if sign == "start time":
            next(s for s in samples if s["name"] == "process_start_time_seconds")["value"] += 130
        else:
            counter(counters, METRICS[0], "/predict", "200")["value"] = 5

    edit(run / "counters.json", restart)
    truth = found(run)
    assert not truth.exact
    assert any(f"{METRICS[0]} restarted during the run" in text for text in truth.explanations)


def test_requests_without_an_answer_are_an_explanation(run: Path) -> None:
    def lose_answers(requests: dict[str, Any]) -> None:
        statuses = requests["entries"][0]["statuses"]
        statuses["200"] -= 4
        statuses["0"] = 4

    edit(run / "requests.json", lose_answers)
    truth = found(run)
    assert (truth.difference, truth.unmatched) == (0, 8)
    assert any("4 requests got no answer" in text for text in truth.explanations)


def test_answers_that_only_the_edge_gave_are_named_by_its_own_counters(run: Path) -> None:
    def refuse(requests: dict[str, Any]) -> None:
        entry = requests["entries"][0]
        entry["sent"] += 7
        entry["statuses"]["429"] = 7

    edit(run / "requests.json", refuse)
    assert any("7 answers with status 429 that no replica counted" in text for text in found(run).explanations)
    edge = (Series({"code": "429"}, ((1.0, 107.0),)), Series({"code": "200"}, ((1.0, 500.0),)))
    before = (Series({"code": "429"}, ((0.0, 100.0),)),)
    seen = found(run, ServerView("http://p", after={"edge": edge}, before={"edge": before}))
    assert any("the edge sent 7 answers with status 429, 7 more" in text for text in seen.explanations)


def test_a_replica_that_is_gone_makes_its_counts_unknown(run: Path) -> None:
    def vanish(counters: dict[str, Any]) -> None:
        counters["after"][METRICS[1]] = {"t": None, "samples": [], "error": "connection refused"}

    edit(run / "counters.json", vanish)
    truth = found(run)
    assert not truth.exact
    assert any("connection refused" in text and METRICS[1] in text for text in truth.explanations)


def test_without_any_scrape_nothing_is_claimed(run: Path) -> None:
    (run / "counters.json").unlink()
    truth = found(run)
    assert not truth.available
    assert not truth.exact
    assert "LAB_METRICS_URLS" in truth.explanations[0]


def test_requests_under_way_at_the_end_count_as_unanswered(run: Path) -> None:
    def cut(requests: dict[str, Any]) -> None:
        requests["entries"][0]["sent"] += 2

    edit(run / "requests.json", cut)
    truth = found(run)
    assert truth.difference == 2
    assert any("2 requests got no answer" in text for text in truth.explanations)
