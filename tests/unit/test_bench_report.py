"""What the bench writes down."""

import json
from dataclasses import replace
from io import StringIO

from rich.console import Console

from bench.report import facts, markdown, notes, show, write
from bench.rounds import Plan
from tests.unit.test_bench_bars import iris, sample

PLAN = Plan(rounds=2, seconds=3, connections=32)
SAMPLES = [*iris(1, 15_000), *iris(2, 5_000)]


def test_the_page_and_the_terminal_show_every_contender_and_every_bar():
    console = Console(width=100, file=StringIO(), record=True)
    show(console, SAMPLES, PLAN)
    for text in (markdown(SAMPLES, PLAN), console.export_text()):
        for word in ("constant", "naive-iris", "ours-iris", "10,000", "10.00", "5.00-15.00", "held", "MISSED"):
            assert word in text, (word, text)


def test_both_files_are_written_and_the_json_holds_every_sample_and_every_verdict(tmp_path):
    page = write(tmp_path / "results", SAMPLES, PLAN)
    assert page.read_text() == markdown(SAMPLES, PLAN)
    kept = json.loads(page.with_suffix(".json").read_text())
    assert [(one["contender"], one["round"], one["rate"]) for one in kept["samples"]] == [
        (one.contender, one.round, one.answers.rate) for one in SAMPLES
    ]
    assert [one["held"] for one in kept["bars"]] == [True, False, True]
    assert kept["plan"] == {"rounds": 2, "seconds": 3, "connections": 32}


def test_a_contender_without_a_valid_round_is_said_to_have_none():
    samples = [sample("naive-forest", 1, 100), sample("ours-forest", 1, 100, broken=3)]
    assert "no valid round" in markdown(samples, PLAN)
    assert any("1 of 2 samples" in note for note in notes(samples))


def test_a_client_that_was_the_limit_of_a_queue_is_named():
    samples = [replace(sample("ours-jobs", 1, 100), load_percent=share) for share in (90.0, 95.0, 40.0)]
    assert any(
        note == "ours-jobs: its client used 90 % of a core; it was the limit: the queue can do more"
        for note in notes(samples)
    )
    assert any(note == "ours-jobs: its client used 40 % of a core" for note in notes(samples[2:]))


def test_a_busy_machine_is_named():
    assert not any("others used" in note for note in notes(SAMPLES))
    busy = [replace(one, strangers_percent=40.0) for one in SAMPLES]
    assert any("others used 40 %" in note for note in notes(busy))
    assert facts(busy, PLAN)["strangers_percent"] == 40.0
