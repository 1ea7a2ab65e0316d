"""From an address to the store of logs that is there; each kind is imported only when it is met."""

from pathlib import Path

from labkit.errors import CannotRun
from labkit.logs.store import LogStore


def open_store(address: str) -> LogStore:
    """Open the store at sqlite:///FOLDER or http://HOST:PORT (Elasticsearch). Raises CannotRun for any other."""
    if address.startswith("sqlite:///"):
        from labkit.logs.sqlite import SqliteLogs

        return SqliteLogs(Path("/" + address.removeprefix("sqlite://").lstrip("/")))  # three slashes or four
    if address.startswith(("http://", "https://")):
        from labkit.logs.elastic import ElasticLogs

        return ElasticLogs(address)
    raise CannotRun(f"{address!r} is no store of logs; next: sqlite:///FOLDER or http://HOST:PORT in LAB_LOGS_URL")
