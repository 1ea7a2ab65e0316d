"""The cache of the user's: what is large and the same for every clone is kept there once."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labkit.home import Home
from labkit.stack.obtain.program import Say

FOLDER = "observability-lab"


def caches(home: Home) -> tuple[Path, Path]:
    """Return where to look: the user's cache, then that of this state folder."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    users = named if named.is_absolute() else Path("~/.cache").expanduser()
    return users / FOLDER, home.cache


def writable_cache(home: Home) -> Path:
    """Return where to put what was obtained: the user's cache, the state folder's where that cannot be written."""
    users, own = caches(home)
    try:
        users.mkdir(parents=True, exist_ok=True)
    except OSError:
        return own
    return users if os.access(users, os.W_OK | os.X_OK) else own


@contextmanager
def alone_in(cache: Path, say: Say) -> Iterator[None]:
    """Hold the lock of a cache: several stacks may be started at once, each waits for the one that obtains."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another `lab up` that obtains something into {cache}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
