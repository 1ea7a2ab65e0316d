"""One query means the same in both stores: files as the collector writes them, and a real Elasticsearch."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from app.adapters.elastic_logs import ElasticLogs
from app.adapters.log_segments import LogSegments
from app.core.ports import LogStore as WrittenStore
from labkit.errors import CannotRun
from labkit.logs.opening import open_store
from labkit.logs.query import WrongQuery
from labkit.logs.store import OTHERS, LogStore
from tests.elasticsearch_server import running_elasticsearch
from tests.log_records import BEGIN, CASES, MESSAGES, SECONDS, Case, names, records

END = BEGIN + SECONDS
MANY = 64 << 20


class Site(NamedTuple):
    """A store of the collector's, and how it is read."""

    writer: WrittenStore
    store: LogStore


@pytest.fixture(scope="module", params=["sqlite", "elasticsearch"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A store that holds the sample records, written in two bulks."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        writer = LogSegments(folder, MANY)
        yield from filled(writer, f"sqlite://{folder}")
        return
    with running_elasticsearch(folder) as server:
        for one in filled(ElasticLogs(server.url, MANY), server.url):
            server.ask("POST", "/lab-logs/_refresh")
            yield one


def filled(writer: WrittenStore, address: str) -> Iterator[Site]:
    some = records()
    for part in (some[:6], some[6:]):
        assert writer.write(part).stored == len(part)
    with open_store(address) as store:
        yield Site(writer, store)
    writer.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.query or "nothing")
def test_a_query_finds_the_same_records_in_both_stores(site: Site, case: Case) -> None:
    found = site.store.search(case.query, BEGIN, END, 100, newest_first=False)
    assert names(found) == case.finds
    assert site.store.count(case.query, BEGIN, END) == len(case.finds)


def test_a_record_comes_back_as_it_was_written(site: Site) -> None:
    (job,) = site.store.search("job_id:job-10", BEGIN, END, 5)
    assert (job.time, job.host, job.level, job.event, job.message) == (BEGIN + 8, "worker-1", 6, "job", "job failed")
    assert (job.request_id, job.model, job.duration_us, job.status) == ("run1-000000000005", "iris", 800, None)
    assert job.get("wait_ms") == 1200.5
    assert job.get("partition") == 2
    assert job.get("status") is None
    assert job.to_dict()["outcome"] == "failed"
    assert "status" not in job.to_dict()


def test_time_is_from_start_to_before_end_and_the_newest_come_first_when_asked(site: Site) -> None:
    store = site.store
    assert names(store.search("", BEGIN + 3, BEGIN + 6, 100, newest_first=False)) == "def"
    assert names(store.search("", BEGIN + 3, BEGIN + 6.001, 100)) == "gfed"
    assert names(store.search("", BEGIN, END, 3)) == "nml"
    assert names(store.search("", BEGIN, END, 3, newest_first=False)) == "abc"
    assert store.search("", BEGIN - 10, BEGIN, 100) == []


def test_counts_are_told_apart_by_the_values_of_fields(site: Site) -> None:
    store = site.store
    assert store.count_by("event:request", BEGIN, END, ("model", "status")) == {
        ("forest", "200"): 2,
        ("forest", "500"): 1,
        ("digits", "503"): 1,
        ("", "200"): 1,
    }
    assert store.count_by("event:job", BEGIN, END, ("job_id", "wait_ms", "partition")) == {
        ("job-1", "12", "0"): 1,
        ("job-10", "1200.5", "2"): 1,
    }
    assert store.count_by("model:none", BEGIN, END, ("host",)) == {}


def test_more_groups_than_one_answer_holds_are_all_counted(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labkit.logs.elastic.GROUPS_AT_ONCE", 2)
    found = site.store.count_by("", BEGIN, END, ("name",))
    assert found == {(one["_name"],): 1 for one in MESSAGES}


def test_what_several_records_have_in_common_is_found(site: Site) -> None:
    store = site.store
    assert store.repeated("event:request", BEGIN, END, "status") == {"200": 3}
    assert store.repeated("", BEGIN, END, "host") == {"api-1": 9, "worker-1": 3}
    assert store.repeated("event:request", BEGIN, END, "request_id") == {}, "upper and lower case differ"
    assert store.repeated("event:request", BEGIN, BEGIN + 1, "status") == {}


def test_a_histogram_has_every_step_and_lumps_what_is_rare(site: Site) -> None:
    store = site.store
    assert store.histogram("", BEGIN, END, 5) == {"": [(BEGIN, 5), (BEGIN + 5, 5), (BEGIN + 10, 4)]}
    assert store.histogram("model:none", BEGIN, END, 7) == {"": [(BEGIN, 0), (BEGIN + 7, 0)]}
    assert store.histogram("", BEGIN, END, 7, by="event", most=2) == {
        "message": [(BEGIN, 2), (BEGIN + 7, 4)],
        "request": [(BEGIN, 5), (BEGIN + 7, 0)],
        OTHERS: [(BEGIN, 0), (BEGIN + 7, 3)],
    }
    # Steps begin at the start that was asked for, wherever that lies.
    assert store.histogram("event:job", BEGIN + 6.5, BEGIN + 9.5, 1.5) == {"": [(BEGIN + 6.5, 1), (BEGIN + 8, 1)]}


def test_a_wrong_query_is_refused_before_a_store_is_asked(site: Site) -> None:
    for ask in (
        lambda: site.store.search("status:", BEGIN, END, 1),
        lambda: site.store.count("status:5*", BEGIN, END),
        lambda: site.store.count_by("", BEGIN, END, ('x"',)),
        lambda: site.store.histogram("", BEGIN, END, 1, by="x) --"),
    ):
        with pytest.raises(WrongQuery):
            ask()


def test_segments_are_read_together_and_one_that_goes_meanwhile_is_passed_over(tmp_path: Path) -> None:
    for number, part in enumerate((records()[:5], records()[5:9], records()[9:]), 1):
        folder = tmp_path / f"{number}"
        writer = LogSegments(folder, MANY)
        writer.write(part)
        writer.close()
        (folder / "00000001.db").rename(tmp_path / f"{number:08}.db")
    sqlite3.connect(tmp_path / "00000004.db").close()  # a segment that has just been made has no tables yet
    with open_store(f"sqlite://{tmp_path}") as store:
        assert names(store.search("", BEGIN, END, 100, newest_first=False)) == "abcdefghijklmn"
        assert names(store.search("", BEGIN, END, 4)) == "nmlk"
        assert store.count_by("", BEGIN, END, ("host",))[("api-1",)] == 9
        (tmp_path / "00000001.db").unlink()
        assert names(store.search("", BEGIN, END, 100, newest_first=False)) == "fghijklmn"


def test_the_store_is_read_while_it_is_written(tmp_path: Path) -> None:
    writer = LogSegments(tmp_path, MANY)
    with open_store(f"sqlite://{tmp_path}") as store:
        for number, one in enumerate(records(), 1):
            writer.write([one])
            assert store.count("", BEGIN, END) == number
    writer.close()


def test_a_store_that_is_not_there_is_named_with_the_next_step(tmp_path: Path) -> None:
    with open_store(f"sqlite://{tmp_path}/none") as store, pytest.raises(CannotRun, match=r"no logs in .*next: lab"):
        store.count("", BEGIN, END)
    with (
        open_store("http://127.0.0.1:9") as store,
        pytest.raises(CannotRun, match=r"127\.0\.0\.1:9 does not answer .*next: lab status"),
    ):
        store.count("", BEGIN, END)
    with pytest.raises(CannotRun, match="LAB_LOGS_URL"):
        open_store("redis://here")


def test_a_segment_of_another_version_is_not_guessed_at(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "00000001.db") as segment:
        segment.execute("PRAGMA user_version = 2")
    segment.close()
    with open_store(f"sqlite://{tmp_path}") as store, pytest.raises(CannotRun, match="version 2"):
        store.count("", BEGIN, END)
