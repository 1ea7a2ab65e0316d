"""Following a log file that another program writes."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.collector.follower import Follower
from app.core.gelf import MOST_BYTES


class Followed:
    """A follower and what it has handed on."""

    def __init__(self, path: Path) -> None:
        self.lines: list[bytes] = []
        self.refused: list[str] = []
        self.follower = Follower(path, self.lines.append, self.refused.append)

    def new(self) -> list[bytes]:
        """Return the lines since the last call."""
        while self.follower.poll():
            pass
        found = self.lines[:]
        self.lines.clear()
        return found


Follow = Callable[[Path], Followed]


@pytest.fixture
def follow() -> Iterator[Follow]:
    with contextlib.ExitStack() as opened:

        def start(path: Path) -> Followed:
            followed = Followed(path)
            opened.callback(followed.follower.close)
            return followed

        yield start


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_a_file_that_is_there_is_followed_from_its_end(follow: Follow, log: Path) -> None:
    append(log, b"old 1\nold 2\n")
    followed = follow(log)
    assert followed.new() == []
    append(log, b"new 1\n\nnew")
    assert followed.new() == [b"new 1"]
    append(log, b" 2\n")
    assert followed.new() == [b"new 2"]


def test_a_file_that_comes_later_is_read_from_its_start(follow: Follow, log: Path) -> None:
    followed = follow(log)
    assert followed.new() == []
    append(log, b"first\n")
    assert followed.new() == [b"first"]


def test_a_rotated_file_is_read_to_its_end_and_the_next_from_its_start(follow: Follow, log: Path) -> None:
    followed = follow(log)
    append(log, b"1\n")
    assert followed.new() == [b"1"]
    append(log, b"2\n3 has no end")
    log.rename(log.with_suffix(".1"))
    append(log, b"4\n")
    assert followed.new() == [b"2", b"3 has no end", b"4"]


def test_between_two_files_the_old_one_is_still_followed(follow: Follow, log: Path) -> None:
    followed = follow(log)
    append(log, b"1\n")
    assert followed.new() == [b"1"]
    moved = log.rename(log.with_suffix(".1"))
    append(moved, b"2\n")
    assert followed.new() == [b"2"], "a writer that has not been told yet"
    append(log, b"3\n")
    assert followed.new() == [b"3"]


def test_a_truncated_file_is_read_from_its_start(follow: Follow, log: Path) -> None:
    followed = follow(log)
    append(log, b"a long line before\nhalf")
    assert followed.new() == [b"a long line before"]
    log.write_bytes(b"new\n")
    assert followed.new() == [b"new"]


def test_a_line_that_is_too_large_is_refused_once_and_the_next_one_taken(follow: Follow, log: Path) -> None:
    followed = follow(log)
    append(log, b"x" * (3 * MOST_BYTES))
    assert followed.new() == []
    append(log, b" its end\nnext\n")
    assert (followed.new(), followed.refused) == ([b"next"], ["too-large"])


def test_a_folder_of_that_name_is_no_file(follow: Follow, log: Path) -> None:
    log.mkdir()
    followed = follow(log)
    assert followed.new() == []
    log.rmdir()
    append(log, b"1\n")
    assert followed.new() == [b"1"]
