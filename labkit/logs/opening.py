"""From an address to the store of logs that is there; each kind is imported only when it is met."""

from pathlib import Path

from labkit.errors import CannotRun
from labkit.home import find_home
from labkit.logs.store import LogStore
from labkit.urls import running


def open_store(address: str) -> LogStore:
    """Open the store at sqlite:///FOLDER or http://HOST:PORT (Elasticsearch). Raises CannotRun for any other."""
    if address.startswith("sqlite:///"):
        from labkit.logs.sqlite import SqliteLogs

        return SqliteLogs(Path("/" + address.removeprefix("sqlite://").lstrip("/")))  # three slashes or four
    if address.startswith(("http://", "https://")):
        from labkit.logs.elastic import ElasticLogs

        return ElasticLogs(address, own_password(address))
    raise CannotRun(f"{address!r} is no store of logs; next: sqlite:///FOLDER or http://HOST:PORT in LAB_LOGS_URL")


def own_password(address: str) -> str | None:
    """Return the password that `lab init` made, for the store of the stack that is up here and for no other."""
    home = find_home()
    urls = running(home)
    if urls is None or urls.logs != address or urls.engine == "process":
        return None
    try:
        return (home.secrets / "containers" / "elasticsearch-password").read_text(encoding="ascii").strip()
    except OSError:
        return None
