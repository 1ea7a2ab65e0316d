"""Follows a log file that another program writes: over truncation, rotation, and its not being there yet."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from app.core.gelf import MOST_BYTES

_READ: Final = 1 << 18


class Follower:
    """Hands on whole lines. A file that exists at the start is followed from its end, a later one from its start."""

    def __init__(self, path: Path, take: Callable[[bytes], None], refuse: Callable[[str], None]) -> None:
        """`take` gets each line; `refuse` is told why there is none: "too-large"."""
        self._path = path
        self._take = take
        self._refuse = refuse
        self._rest = b""
        self._skipping = False
        self._file = self._opened()
        if self._file is not None:
            self._file.seek(0, os.SEEK_END)

    def poll(self) -> bool:
        """Read what is new, at most one buffer of it; say whether there may be more."""
        if self._file is None:
            self._file = self._opened()
            if self._file is None:
                return False
        data = self._read(self._file)
        if data:
            self._lines(data)
            return True
        if not self._replaced():
            return False
        # Its writer may have gone on between the two looks.
        if data := self._read(self._file):
            self._lines(data)
        else:
            self._let_go()
        return True

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _opened(self) -> IO[bytes] | None:
        try:
            return self._path.open("rb", buffering=0)
        except OSError:
            return None

    def _read(self, file: IO[bytes]) -> bytes:
        try:
            if os.fstat(file.fileno()).st_size < file.tell():  # truncated: what follows is new
                file.seek(0)
                self._rest = b""
            return file.read(_READ)
        except OSError:
            return b""

    def _replaced(self) -> bool:
        """Say whether another file has the name now; one that is gone may still be written to."""
        assert self._file is not None
        try:
            there = self._path.stat()
        except OSError:
            return False
        own = os.fstat(self._file.fileno())
        return (there.st_dev, there.st_ino) != (own.st_dev, own.st_ino)

    def _let_go(self) -> None:
        """Be done with a file that was replaced and read to its end; a line without an end was its last."""
        if self._rest:
            self._take(self._rest)
        self._rest = b""
        self._skipping = False
        self.close()
        self._file = None

    def _lines(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if self._skipping:  # the end of what was too large
                self._skipping = False
            elif line.strip():
                self._take(line)
        if len(self._rest) > MOST_BYTES:
            if not self._skipping:
                self._refuse("too-large")
            self._skipping = True
            self._rest = b""
