"""Logs in SQLite: a folder of segments, the newest of which is written; the oldest goes when there are too many bytes.

Other processes read the segments meanwhile (write-ahead log); whole files are deleted, which costs nothing.
"""

import logging
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from app.core.errors import LogsAway
from app.core.log_records import LogRecord
from app.core.ports import Written

VERSION: Final = 1
SEGMENTS: Final = 8
"""A segment is at most this part of the whole: as much is lost at once."""
SMALLEST: Final = 1 << 20
"""The fewest bytes that a store may be bounded to."""
_SCHEMA: Final = f"""
PRAGMA user_version = {VERSION};
CREATE TABLE records(
  id INTEGER PRIMARY KEY, time REAL NOT NULL, host TEXT NOT NULL, level INTEGER NOT NULL, event TEXT NOT NULL,
  message TEXT NOT NULL, request_id TEXT, method TEXT, route TEXT, path TEXT, status INTEGER, duration_us INTEGER,
  model TEXT, model_version TEXT, fields TEXT
);
CREATE INDEX records_time ON records(time);
CREATE VIRTUAL TABLE words USING fts5(message, request_id, path, content='records', content_rowid='id');
"""
_INSERT: Final = f"INSERT INTO records VALUES ({','.join('?' * len(LogRecord._fields))})"  # noqa: S608  (question marks)
# One statement for all of a transaction: SQLite works through them while the receiver has the interpreter.
_INDEX: Final = """
INSERT INTO words(rowid, message, request_id, path)
SELECT id, message, request_id, path FROM records WHERE id BETWEEN ? AND ?
"""

# Of the record's making, not of the file's.
_REFUSED: Final = (
    sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError, OverflowError,
    UnicodeError,
)  # fmt: skip

log = logging.getLogger("collector")


class LogSegments:
    """The store of logs that needs no server."""

    name = "sqlite"

    def __init__(self, folder: Path, most_bytes: int) -> None:
        """`most_bytes`: of all segments; opened at the first write, since the disk may be full just now."""
        self._folder = folder
        self._most_bytes = most_bytes
        self._segment_bytes = most_bytes // SEGMENTS
        self._connection: sqlite3.Connection | None = None
        self._path = folder
        self._number = 0
        self._well = True
        self._size = sum(map(_file_bytes, self._segments()))

    def write(self, records: Sequence[LogRecord]) -> Written:
        try:
            stored = self._stored(self._open(records[0].ident), records)
        except (sqlite3.Error, OSError) as error:
            self._well = False
            self._let_go()
            if not isinstance(error, sqlite3.OperationalError | OSError):
                log.error("%s: %s; another segment is begun", self._path, error)
                self._number += 1
            raise LogsAway(f"{self._path}: {error}") from None
        self._well = True
        self._keep_bounds()
        return Written(stored, len(records) - stored, ())

    def size(self) -> int:
        return self._size

    def reachable(self) -> bool:
        return self._well

    def close(self) -> None:
        self._let_go()

    def _stored(self, connection: sqlite3.Connection, records: Sequence[LogRecord]) -> int:
        """Write records in one transaction, or one by one when SQLite refuses some of them; return how many it took."""
        try:
            _insert(connection, records)
        except _REFUSED:
            if len(records) == 1:
                return 0
            return sum(self._stored(connection, [record]) for record in records)
        return len(records)

    def _open(self, first: int) -> sqlite3.Connection:
        """Return the connection to the newest segment; a new one when none is there or it has later records.

        Those come from a clock that was set back; a record's number must be greater than those before.
        """
        if self._connection is not None:
            if self._path.exists():
                return self._connection
            self._let_go()  # somebody has deleted it: nothing would come of writing on
        self._folder.mkdir(parents=True, exist_ok=True)
        self._number = max(self._number, 1, *(int(path.stem) for path in self._segments()))
        self._path = self._folder / f"{self._number:08}.db"
        self._connection = _connected(self._path, self._segment_bytes)
        if (self._connection.execute("SELECT max(id) FROM records").fetchone()[0] or 0) >= first:
            self._let_go()
            self._number += 1
            return self._open(first)
        return self._connection

    def _keep_bounds(self) -> None:
        """Begin another segment when this one is full; delete the oldest while all together are too large."""
        try:
            if _file_bytes(self._path) >= self._segment_bytes:
                self._let_go()  # moves its write-ahead log into the file
                self._number += 1
            segments = self._segments()
            sizes = [_file_bytes(path) for path in segments]
            # The next segment needs room as well.
            while len(segments) > 1 and sum(sizes) > self._most_bytes - self._segment_bytes:
                oldest = segments.pop(0)
                for suffix in ("", "-wal", "-shm"):
                    Path(f"{oldest}{suffix}").unlink(missing_ok=True)
                del sizes[0]
            self._size = sum(sizes)
        except OSError as error:
            log.warning("%s: %s; its size is not known", self._folder, error)

    def _segments(self) -> list[Path]:
        """Return the segments, oldest first."""
        return sorted(path for path in self._folder.glob("*.db") if path.stem.isascii() and path.stem.isdigit())

    def _let_go(self) -> None:
        if self._connection is not None:
            try:
                self._connection.close()
            except sqlite3.Error as error:
                log.warning("%s: %s", self._path, error)
            self._connection = None


def _insert(connection: sqlite3.Connection, records: Sequence[LogRecord]) -> None:
    connection.execute("BEGIN")
    with connection:
        connection.executemany(_INSERT, records)
        connection.execute(_INDEX, (records[0].ident, records[-1].ident))


def _connected(path: Path, segment_bytes: int) -> sqlite3.Connection:
    """Open a segment, made when it is not there. Raises sqlite3.Error."""
    connection = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
    try:
        # With a write-ahead log, NORMAL loses the last moments when the machine loses its power, and nothing else.
        connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;")
        connection.execute(f"PRAGMA wal_autocheckpoint = {max(100, min(4096, segment_bytes // 4 // 4096))}")
        connection.execute(f"PRAGMA journal_size_limit = {segment_bytes // 4}")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found == 0:
            connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
        elif found != VERSION:
            raise sqlite3.DatabaseError(f"a segment of version {found}, {VERSION} was expected")
    except BaseException:
        connection.close()
        raise
    return connection


def _file_bytes(path: Path) -> int:
    """Return the size of a segment and of its write-ahead log."""
    total = 0
    for suffix in ("", "-wal"):
        try:
            total += Path(f"{path}{suffix}").stat().st_size
        except FileNotFoundError:
            continue
    return total
