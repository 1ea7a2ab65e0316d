"""Sent = counted = logged + counted drops: exact when it is; every difference is placed, explained or left over."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labkit.report import build
from labkit.report.prometheus import Series, ServerView
from labkit.report.reconcile import Reconciliation, reconciliation
from labkit.report.run_folder import read_run
from labkit.report.truth import truth
from tests.samples.run_logs import Facts, readings, row, write_logs
from tests.samples.runs import METRICS, Knobs, write_run

PREDICT = "/predict"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path, Knobs(seconds=12, stall_at=None, failing=0.01))


def found(run: Path, change: Callable[[Facts], None] | None = None, view: ServerView | None = None) -> Reconciliation:
    write_logs(run, change)
    return reconciliation(read_run(run), view or ServerView(None, problem="not asked"))


def edit(path: Path, change: Callable[[Any], None]) -> None:
    facts = json.loads(path.read_text(encoding="utf-8"))
    change(facts)
    path.write_text(json.dumps(facts), encoding="utf-8")


def resent(run: Path, route: str, **moved: int) -> None:
    """Let the client have seen other statuses: `moved` is by how much each changes (s200=-3)."""

    def change(requests: Any) -> None:
        entry = next(entry for entry in requests["entries"] if entry["name"] == route)
        for status, n in moved.items():
            entry["statuses"][status[1:]] = entry["statuses"].get(status[1:], 0) + n

    edit(run / "requests.json", change)


def kill_replica(run: Path) -> dict[str, int]:
    """Take a replica's counters after the run away; return what it had counted of each row during the run."""
    had: dict[str, int] = {}

    def change(counters: Any) -> None:
        for sign, side in ((1, "after"), (-1, "before")):
            for sample in counters[side][METRICS[1]]["samples"]:
                key = " ".join(sample["labels"].get(name, "") for name in ("method", "route", "status"))
                had[key] = had.get(key, 0) + sign * int(sample["value"])
        counters["after"][METRICS[1]] = {"t": None, "samples": [], "error": "connection refused"}

    edit(run / "counters.json", change)
    return had


def test_without_a_store_the_line_says_that_the_logs_were_not_asked(run: Path) -> None:
    line = reconciliation(read_run(run), ServerView(None))
    assert line.exact
    assert truth(line).endswith("(difference 0); logs: not asked (no store)")
    assert line.unexplained is None
    assert all(one.logged is None for one in line.rows)


def test_a_complete_run_adds_up_from_the_generator_to_the_store(run: Path) -> None:
    line = found(run)
    assert line.exact
    assert line.explanations == ()
    assert line.sent == line.counted == line.logs.logged == line.logs.edge
    assert truth(line).count(" = ") == 2
    assert truth(line).endswith("(difference 0)")


def test_one_log_record_too_few_is_seen_and_placed(run: Path) -> None:
    """The control of the line above."""

    def lose(facts: Facts) -> None:
        row(facts, "requests", PREDICT, "200")["n"] -= 1

    line = found(run, lose)
    assert not line.exact
    assert (line.unmatched, line.logs.missing) == (0, 1)
    assert "(1 without a record)" in truth(line)
    assert any("1 answers without a log record (1 × POST /predict 200): nothing" in text for text in line.explanations)


def test_records_that_a_counter_has_as_dropped_keep_the_line_exact(run: Path) -> None:
    def drop(facts: Facts) -> None:
        row(facts, "requests", PREDICT, "200")["n"] -= 5
        total = sum(one["n"] for one in facts["requests"])
        facts["after"] = readings(written=100 + total + 2, received=100 + total, dropped=3)

    line = found(run, drop)
    assert line.exact
    assert (line.logs.drops.full, line.logs.drops.wire, line.logs.missing) == (3, 2, 5)
    assert "+ 5 counted as dropped (3 buffer full, 2 on the wire) (difference 0)" in truth(line)


def test_fewer_drops_than_missing_records_are_not_enough(run: Path) -> None:
    def drop(facts: Facts) -> None:
        row(facts, "requests", PREDICT, "200")["n"] -= 5
        facts["after"]["senders"] = readings(written=100, received=0, dropped=4)["senders"]

    assert not found(run, drop).exact


def test_what_was_sent_while_the_counters_were_read_is_no_loss(run: Path) -> None:
    def move(facts: Facts) -> None:
        facts["after"] = readings(written=1000, received=997, moving=3)
        facts["before"] = readings(written=0, received=0)

    line = found(run, move)
    assert line.logs.drops.wire == 0
    assert any("up to 3 may be lost" in text for text in line.logs.drops.doubts)


def test_a_sender_that_ended_makes_the_loss_on_the_wire_unknown(run: Path) -> None:
    def restart(facts: Facts) -> None:
        facts["after"]["senders"] = readings(written=5, received=0, started=9.0)["senders"]

    assert found(run, restart).logs.drops.wire is None


def test_what_a_killed_replica_had_counted_is_found_in_the_log_row_by_row(run: Path) -> None:
    had = kill_replica(run)
    peak = tuple(
        Series({"instance": "127.0.0.1:18102", **dict(zip(("method", "route", "status"), key.split(), strict=True))},
               ((1.0, n - 2.0 + (40 if key == "POST /predict 200" else 0)),))
        for key, n in had.items() if len(key.split()) == 3
    )  # fmt: skip
    line = found(run, view=ServerView("http://p", whole_run={"requests_peak": peak}))
    assert not line.exact
    assert line.logs.exact
    assert line.unmatched > 100
    assert line.unexplained == 0
    assert "all explained by the log records" in truth(line)
    n = had["POST /predict 200"]
    (text,) = (text for text in line.explanations if text.startswith("POST /predict 200:"))
    assert f"{n} are in the log, their counter ended with 127.0.0.1:18102 (its last scrape had {n - 2})" in text


def test_what_only_the_edge_saw_of_a_killed_replica_is_named(run: Path) -> None:
    """It had answered, and ended before it sent the record; another request it never answered."""
    kill_replica(run)
    resent(run, PREDICT, s200=-1, s502=1)

    def lose(facts: Facts) -> None:
        row(facts, "requests", PREDICT, "200")["n"] -= 4
        row(facts, "requests", PREDICT, "502")["n"] = 0
        row(facts, "edge_alone", PREDICT, "502")["n"] = 1

    line = found(run, lose)
    assert line.unexplained == 0
    assert any("4 only the edge has a record of, 127.0.0.1:18102 ended" in text for text in line.explanations)
    assert any("POST /predict 502: sent 1, counted 0: 1 the edge answered itself" in text for text in line.explanations)
    assert any("4 answers without a log record" in text and "a replica ended" in text for text in line.explanations)


def test_a_reply_that_was_lost_behind_the_edge_explains_both_rows(run: Path) -> None:
    resent(run, PREDICT, s200=-2, s502=2)

    def lose(facts: Facts) -> None:
        row(facts, "requests", PREDICT, "200")["n"] += 2
        row(facts, "requests", PREDICT, "502")["n"] = 0
        changed = {**row(facts, "edge_changed", PREDICT, "502"), "n": 2, "replied": "200"}
        facts["edge_changed"] = [changed]

    line = found(run, lose)
    assert (line.unmatched, line.unexplained) == (4, 0)
    assert line.logs.missing == 0
    assert any("2 the edge answered after a replica had replied 200" in text for text in line.explanations)
    assert any("2 the client got as 502 from the edge" in text for text in line.explanations)


def test_other_traffic_is_what_has_no_id_of_the_run(run: Path) -> None:
    def intrude(counters: Any) -> None:
        samples = counters["after"][METRICS[0]]["samples"]
        next(s for s in samples if (s["labels"].get("route"), s["labels"].get("status")) == (PREDICT, "200"))[
            "value"
        ] += 3

    edit(run / "counters.json", intrude)
    line = found(run)
    assert (line.unmatched, line.unexplained) == (3, 0)
    assert any("3 have no id of this run: other traffic" in text for text in line.explanations)


def test_a_difference_that_nothing_explains_stays_unexplained(run: Path) -> None:
    def lose_one(counters: Any) -> None:
        samples = counters["after"][METRICS[0]]["samples"]
        next(s for s in samples if (s["labels"].get("route"), s["labels"].get("status")) == (PREDICT, "200"))[
            "value"
        ] -= 1

    edit(run / "counters.json", lose_one)
    line = found(run)
    assert (line.unmatched, line.unexplained) == (1, 1)
    assert any("1 of them nothing that this run has explains" in text for text in line.explanations)
    assert "1 of them unexplained" in truth(line)


def test_requests_that_nobody_answered_are_named_with_what_the_edge_has(run: Path) -> None:
    resent(run, PREDICT, s200=-3, s0=3)

    def edge(facts: Facts) -> None:
        row(facts, "edge", PREDICT, "499")["n"] = 2
        row(facts, "requests", PREDICT, "200")["n"] += 3

    line = found(run, edge)
    assert line.unexplained == 0
    (text,) = (text for text in line.explanations if "without an answer" in text)
    assert "3 requests got none at the client" in text
    assert "499: 2" in text


def test_a_store_that_did_not_answer_is_said_so(run: Path) -> None:
    def away(facts: Facts) -> None:
        facts["problem"] = "Elasticsearch at http://127.0.0.1:1 does not answer"
        facts["requests"] = []

    line = found(run, away)
    assert line.exact  # of what was asked
    assert "logs: not known (Elasticsearch" in truth(line)


def test_the_page_and_the_summary_carry_the_line(run: Path) -> None:
    had = kill_replica(run)
    write_logs(run)
    summary = build(run)
    page = (run / summary.report).read_text(encoding="utf-8")
    written = json.loads((run / "summary.json").read_text(encoding="utf-8"))["reconciliation"]
    assert written["unexplained"] == 0
    assert written["logs"]["logged"] == written["sent"]
    assert "lost on the wire" in page
    assert "their counter ended with 127.0.0.1:18102" in page
    assert f"{had['POST /predict 200']} are in the log" in page


def test_a_request_that_two_replicas_counted_is_named_and_not_taken_for_other_traffic(run: Path) -> None:
    """The first one broke the connection after it had counted, and lives: sent 1, counted 2, logged 2."""

    def counted_once_more(counters: Any) -> None:
        for sample in counters["after"][METRICS[0]]["samples"]:
            if (sample["labels"].get("route"), sample["labels"].get("status")) == (PREDICT, "200"):
                sample["value"] += 3

    def logged_twice(facts: Facts) -> None:
        row(facts, "requests", PREDICT, "200")["n"] += 3
        row(facts, "twice", PREDICT, "200")["n"] += 3

    edit(run / "counters.json", counted_once_more)
    line = found(run, logged_twice)
    assert (line.unmatched, line.unexplained, line.exact) == (3, 0, False)
    assert line.logs.missing == 0
    assert line.sent == line.logs.logged
    text = "\n".join(line.explanations)
    assert f"3 requests have the records of two replicas (3 × POST {PREDICT} 200)" in text
    assert "3 the edge sent to another replica after the first had them, and both counted them" in text

    def untold(facts: Facts) -> None:
        row(facts, "requests", PREDICT, "200")["n"] += 3

    assert found(run, untold).unexplained == 3, "the control: without that nothing explains it"


def test_a_record_of_a_replica_that_died_over_it_hides_no_record_that_is_missing(run: Path) -> None:
    """Two records of one request, and none of another: the sum is right, the line is not."""

    def one_twice_one_never(facts: Facts) -> None:
        row(facts, "twice", PREDICT, "200")["n"] += 1

    line = found(run, one_twice_one_never)
    assert line.logs.missing == 1
    assert not line.exact
