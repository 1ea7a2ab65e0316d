"""The routes file: read when it has changed, and only if all of it can be understood."""

from pathlib import Path

from app.core.errors import WrongRoutes
from app.core.routes import Route, decode_routes


class RoutesFile:
    """`{"sentiment": {"stable": "v1", "canary": "v2", "weight": 10, "previous": "v1"}, ...}`, written by `lab canary`
    and its like, replaced whole. A file that is not there says nothing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Of the file at the last call; at first of one that no file can be, so that the first call reads.
        self._seen: tuple[int, int, int] | None = (0, 0, 0)

    def changed(self) -> dict[str, Route] | None:
        """Return the routes when the file is another than at the last call, else None.

        Raises WrongRoutes, once for each state of the file.
        """
        seen = self._state()
        if seen == self._seen:
            return None
        self._seen = seen
        try:
            return decode_routes(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, WrongRoutes) as error:
            raise WrongRoutes(f"{self.path.name}: {error}") from None

    def _state(self) -> tuple[int, int, int] | None:
        try:
            facts = self.path.stat()
        except OSError:
            return None
        return facts.st_mtime_ns, facts.st_size, facts.st_ino
