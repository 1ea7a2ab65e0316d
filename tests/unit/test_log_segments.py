"""The store of logs in SQLite files."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.adapters.log_segments import SMALLEST, LogSegments
from app.core.errors import LogsAway
from app.core.log_records import LogRecord, Maker
from tests.collector_process import encoded, message


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LogSegments]:
    with contextlib.closing(LogSegments(tmp_path / "logs", 8 * SMALLEST)) as opened:
        yield opened


def some(count: int, first: int = 0, **more: Any) -> list[LogRecord]:
    """Return records, the numbers of which go on over calls with a later `first`."""
    maker = Maker(first, lambda: 0.0)
    return [maker.from_gelf(encoded(message(first + number, **more))) for number in range(count)]


def segments(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "logs").glob("*.db"))


def rows(path: Path, query: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def total_bytes(tmp_path: Path) -> int:
    return sum(path.stat().st_size for path in (tmp_path / "logs").iterdir() if not path.name.endswith("-shm"))


def test_what_was_written_is_read_by_others_while_the_store_is_open(store: LogSegments, tmp_path: Path) -> None:
    records = some(5, _note="x")
    assert store.write(records).stored == 5
    path = tmp_path / "logs" / "00000001.db"
    assert [LogRecord(*row) for row in rows(path, "SELECT * FROM records ORDER BY id")] == records
    assert rows(path, "PRAGMA user_version") == [(1,)]
    assert rows(path, "PRAGMA journal_mode") == [("wal",)]


def test_words_of_message_request_id_and_path_are_found(store: LogSegments, tmp_path: Path) -> None:
    store.write(some(20))
    store.write(some(1, 20, short_message="disk is Full", _path="/jobs/j-77"))

    def found(text: str) -> list[int]:
        return [row[0] for row in rows(tmp_path / "logs" / "00000001.db", _words(text))]

    assert found("full") == [21]
    assert found('"request-7"') == [8]
    assert found('path:"j-77"') == [21]
    assert len(found("predict")) == 20, "in path and message"


def _words(text: str) -> str:
    return f"SELECT rowid FROM words WHERE words MATCH '{text}' ORDER BY rowid"


def test_a_store_opened_again_goes_on_in_the_same_segment(store: LogSegments, tmp_path: Path) -> None:
    store.write(some(3))
    store.close()
    with contextlib.closing(LogSegments(tmp_path / "logs", 8 * SMALLEST)) as again:
        assert again.size() > 0
        again.write(some(3, 3))
    assert segments(tmp_path) == ["00000001.db"]
    assert rows(tmp_path / "logs" / "00000001.db", "SELECT count(*) FROM records") == [(6,)]


def test_a_clock_that_was_set_back_begins_another_segment(store: LogSegments, tmp_path: Path) -> None:
    store.write(some(3, 1000))
    store.close()
    with contextlib.closing(LogSegments(tmp_path / "logs", 8 * SMALLEST)) as again:
        assert again.write(some(3, 500)).stored == 3
    assert segments(tmp_path) == ["00000001.db", "00000002.db"]


def test_the_oldest_segments_go_when_all_are_too_large(store: LogSegments, tmp_path: Path) -> None:
    largest = 0
    for number in range(70):
        store.write(some(200, number * 200, _note="n" * 1000))
        largest = max(largest, total_bytes(tmp_path))
    assert 4 * SMALLEST < largest <= 8 * SMALLEST
    kept = segments(tmp_path)
    assert len(kept) > 4
    assert kept[0] > "00000005.db", "the control: without a bound they would all be there"
    assert all((tmp_path / "logs" / name).stat().st_size <= SMALLEST for name in kept[:-1])
    newest = rows(tmp_path / "logs" / kept[-1], "SELECT max(id) FROM records")
    assert newest == [(14_000,)]
    assert total_bytes(tmp_path) - SMALLEST < store.size() <= 8 * SMALLEST


def test_a_file_that_is_no_segment_is_left_alone_and_another_begun(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "00000007.db").write_bytes(b"garbage " * 1000)
    (folder / "notes.db").write_bytes(b"somebody else's")
    with contextlib.closing(LogSegments(folder, 8 * SMALLEST)) as store:
        with pytest.raises(LogsAway, match=r"00000007\.db: file is not a database"):
            store.write(some(1))
        assert not store.reachable()
        assert store.write(some(1)).stored == 1
        assert store.reachable()
    assert segments(tmp_path) == ["00000007.db", "00000008.db", "notes.db"]


def test_a_segment_of_another_version_is_not_written(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    with contextlib.closing(sqlite3.connect(folder / "00000001.db")) as connection:
        connection.execute("PRAGMA user_version = 9")
    with contextlib.closing(LogSegments(folder, 8 * SMALLEST)) as store:
        with pytest.raises(LogsAway, match="a segment of version 9, 1 was expected"):
            store.write(some(1))
        assert store.write(some(1)).stored == 1
    assert segments(tmp_path) == ["00000001.db", "00000002.db"]


def test_a_folder_deleted_while_it_is_written_is_made_again(store: LogSegments, tmp_path: Path) -> None:
    store.write(some(2))
    for path in (tmp_path / "logs").iterdir():
        path.unlink()
    (tmp_path / "logs").rmdir()
    assert store.write(some(2, 2)).stored == 2
    assert rows(next((tmp_path / "logs").glob("*.db")), "SELECT count(*) FROM records") == [(2,)]


def test_a_record_that_sqlite_refuses_costs_no_other(store: LogSegments, tmp_path: Path) -> None:
    records = some(9)
    records[4] = records[4]._replace(message="\ud800")  # decoding never gives such a text
    written = store.write(records)
    assert (written.stored, written.rejected) == (8, 1)
    assert rows(tmp_path / "logs" / "00000001.db", "SELECT count(*) FROM records") == [(8,)]


def test_a_place_that_cannot_be_a_folder_is_away_until_it_can(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file")
    with contextlib.closing(LogSegments(tmp_path / "logs", 8 * SMALLEST)) as store:
        with pytest.raises(LogsAway):
            store.write(some(1))
        (tmp_path / "logs").unlink()
        assert store.write(some(1)).stored == 1
