"""The embedded store: a folder of SQLite files, which the collector writes while we read."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from labkit.errors import CannotRun
from labkit.logs.fields import COLUMNS, shown
from labkit.logs.query import parse
from labkit.logs.sql import column, condition, number, said
from labkit.logs.store import MOST, REPEATED_MOST, LogRecord, buckets, milliseconds

SCHEMA = 1
BUSY_S = 5.0
NAMES = ("time", *COLUMNS, "fields")
# Whole milliseconds of a record's time; by way of microseconds, which a double holds exactly enough.
MILLISECOND = "CAST(round(time * 1e6) AS INTEGER) / 1000"


class SqliteLogs:
    """Reads all segments of a folder, each read-only; a segment that is deleted meanwhile is passed over."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def search(self, query: str, start: float, end: float, limit: int, newest_first: bool = True) -> list[LogRecord]:
        order = "DESC" if newest_first else "ASC"
        where, values = _where(query, start, end)
        text = f"SELECT {', '.join(NAMES)} FROM records WHERE {where} ORDER BY time {order}, id {order} LIMIT ?"  # noqa: S608  (`_where` has parameters only)
        rows = self._rows(text, [*values, min(limit, MOST)], newest_first=newest_first)
        # Segments overlap a little: a record may come later than younger ones.
        found = sorted(rows, key=lambda row: row[0], reverse=newest_first)
        return [_record(row) for row in found[:limit]]

    def count(self, query: str, start: float, end: float) -> int:
        where, values = _where(query, start, end)
        return sum(row[0] for row in self._rows(f"SELECT count(*) FROM records WHERE {where}", values))  # noqa: S608  (as above)

    def count_by(self, query: str, start: float, end: float, fields: tuple[str, ...]) -> dict[tuple[str, ...], int]:
        where, values = _where(query, start, end)
        read = [column(name) for name in fields]
        parameters = [value for _, found in read for value in found]
        places = ", ".join(str(number) for number in range(1, len(fields) + 1))
        text = f"SELECT {', '.join(t for t, _ in read)}, count(*) FROM records WHERE {where} GROUP BY {places}"  # noqa: S608  (as above)
        total: Counter[tuple[str, ...]] = Counter()
        for *group, n in self._rows(text, [*parameters, *values]):
            total[tuple(shown(name, value) for name, value in zip(fields, group, strict=True))] += n
        return dict(total)

    def repeated(self, query: str, start: float, end: float, field: str) -> dict[str, int]:
        """See LogStore; of records that lie in two files, which begin anew every hour or so, nothing is known."""
        where, values = _where(query, start, end)
        read, parameters = column(field)
        text = (
            f"SELECT {read}, count(*) FROM records WHERE {where} GROUP BY 1 "  # noqa: S608  (as above)
            f"HAVING count(*) > 1 AND {read} IS NOT NULL LIMIT {REPEATED_MOST}"
        )
        found = self._rows(text, [*parameters, *values, *parameters])
        return {shown(field, value): n for value, n in found}

    def histogram(
        self, query: str, start: float, end: float, step: float, by: str = "", most: int = 10
    ) -> dict[str, list[tuple[float, int]]]:
        where, values = _where(query, start, end)
        group, parameters = column(by) if by else ("''", [])
        start_ms, end_ms, step_ms = milliseconds(start), milliseconds(end), max(1, round(step * 1000))
        bucket = f"({MILLISECOND} - ?) / ?"
        text = f"SELECT {group}, {bucket}, count(*) FROM records WHERE {where} GROUP BY 1, 2"  # noqa: S608  (as above)
        found: Counter[tuple[str, int]] = Counter()
        for value, place, n in self._rows(text, [*parameters, start_ms, step_ms, *values]):
            found[shown(by, value), start_ms + place * step_ms] += n
        return buckets(found, start_ms, end_ms, step_ms, by, most)

    def close(self) -> None:
        """Nothing stays open between questions."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _rows(self, text: str, values: list[Any], *, newest_first: bool = True) -> Iterator[tuple[Any, ...]]:
        for path in self._segments(newest_first):
            try:
                with closing(_connect(path)) as segment:
                    if _readable(segment, path):
                        yield from segment.execute(text, values).fetchall()
            except sqlite3.Error as error:
                if path.exists():
                    raise CannotRun(
                        f"{path}: {error}; next: lab search again, and lab status if it stays so"
                    ) from error

    def _segments(self, newest_first: bool) -> list[Path]:
        if not self._folder.is_dir():
            raise CannotRun(f"no logs in {self._folder}; the collector makes that folder; next: lab status")
        return sorted(self._folder.glob("[0-9]*.db"), reverse=newest_first)


def _connect(path: Path) -> sqlite3.Connection:
    segment = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=BUSY_S)
    segment.create_function("said", 2, said, deterministic=True)
    segment.create_function("number", 1, number, deterministic=True)
    return segment


def _readable(segment: sqlite3.Connection, path: Path) -> bool:
    """Return whether the segment has its tables yet. Raises CannotRun for those of another version."""
    version = segment.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, SCHEMA):
        raise CannotRun(f"{path} has version {version} of the log files, this command reads {SCHEMA}; next: lab clean")
    return bool(version)


def _where(query: str, start: float, end: float) -> tuple[str, list[Any]]:
    text, values = condition(parse(query))
    return f"time >= ? AND time < ? AND {text}", [milliseconds(start) / 1000, milliseconds(end) / 1000, *values]


def _record(row: tuple[Any, ...]) -> LogRecord:
    *columns, fields = row
    return LogRecord(**dict(zip(NAMES, columns, strict=False)), fields=_others(fields))


def _others(fields: str | None) -> dict[str, Any]:
    if not fields:
        return {}
    try:
        found: dict[str, Any] = json.loads(fields)
    except RecursionError:  # somebody sent a hundred lists in each other
        return {"fields": fields}
    return found
