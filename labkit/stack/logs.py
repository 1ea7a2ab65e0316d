"""The log files of the components: fresh at each start of the stack, bounded in size."""

import shutil
from pathlib import Path

LIMIT = 64 * 2**20
TAIL = 16 * 2**10


def log_path(logs: Path, name: str) -> Path:
    return logs / f"{name}.log"


def begin(log: Path) -> None:
    """Put the log of the start before aside (NAME.log.1) so that this one holds only its own lines."""
    if log.exists():
        log.replace(log.with_name(log.name + ".1"))


def bound(log: Path, limit: int = LIMIT) -> bool:
    """Move the content to NAME.log.1 once it is larger than `limit` bytes; True when that happened.

    The writer keeps its descriptor (it appends), so the file is copied and cut, not renamed; a line written
    between the two steps is lost.
    """
    try:
        if log.stat().st_size <= limit:
            return False
        shutil.copyfile(log, log.with_name(log.name + ".1"))
        with log.open("r+b") as file:
            file.truncate(0)
    except OSError:
        return False
    return True


def turn(log: Path, limit: int = LIMIT) -> bool:
    """Rename to NAME.log.1 once it is larger than `limit` bytes; True when that happened.

    Nothing is lost: the writer goes on in the renamed file until it opens the log again, and must be told to.
    """
    try:
        if log.stat().st_size <= limit:
            return False
        log.replace(log.with_name(log.name + ".1"))
    except OSError:
        return False
    return True


def last_lines(log: Path, count: int) -> list[str]:
    """Return the last lines that are not blank, oldest first; none when there is no log."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            block = TAIL
            while True:
                file.seek(max(0, size - block))
                lines = [line for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
                if len(lines) > count or block >= size:
                    return lines[-count:] if count else []
                block *= 4
    except OSError:
        return []


def last_line(log: Path, width: int = 200) -> str:
    """Return the last line for a one-line message, cut to `width` characters."""
    lines = last_lines(log, 1)
    if not lines:
        return "it wrote nothing"
    text = lines[0].strip()
    return text if len(text) <= width else text[: width - 1] + "…"
