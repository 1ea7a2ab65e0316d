"""The collector's composition root, apart from the api's and the worker's: it is small, and needs none of theirs."""

import logging
import sys
from pathlib import Path

from app.adapters.log_segments import SMALLEST, LogSegments
from app.config import Settings, WrongSetting, shown
from app.core.ports import LogStore
from app.telemetry.application_log import message_fields
from app.telemetry.events import encode
from app.telemetry.metrics import Metrics, metrics_of


def build_log_store(settings: Settings) -> LogStore:
    """Return the store that the settings name; it may be away. Raises WrongSetting."""
    if bool(settings.logs_dir) == bool(settings.elasticsearch_url):
        seen = f"LAB_LOGS_DIR={settings.logs_dir!r}, LAB_ELASTICSEARCH_URL={shown(settings.elasticsearch_url)}"
        raise WrongSetting(f"{seen}: set exactly one of them; it is where the logs go")
    if settings.logs_bytes < SMALLEST:
        raise WrongSetting(f"LAB_LOGS_BYTES={settings.logs_bytes}: a store of logs takes {SMALLEST} bytes at least")
    if settings.logs_dir:
        folder = Path(settings.logs_dir)
        if folder.exists() and not folder.is_dir():
            raise WrongSetting(f"LAB_LOGS_DIR={settings.logs_dir!r}: is a file; name a folder")
        return LogSegments(folder, settings.logs_bytes)
    from app.adapters.elastic_logs import ElasticLogs  # 20 MB of client, which SQLite does without

    try:
        return ElasticLogs(settings.elasticsearch_url, settings.logs_bytes)
    except ValueError as error:
        raise WrongSetting(f"LAB_ELASTICSEARCH_URL={shown(settings.elasticsearch_url)}: {error}") from None


def build_metrics(store: LogStore, release: str) -> Metrics:
    metrics = metrics_of(release)
    metrics.gauge("log_store_bytes", store.size, store.name)
    return metrics


def configure_logging(level: str, host: str) -> None:
    """Send the collector's own log to stdout, and nowhere else: what it says is that logs go nowhere."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_AsGelf(host))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # The clients of Elasticsearch report each request.
    for noisy in ("elastic_transport", "elasticsearch"):
        logging.getLogger(noisy).setLevel("ERROR")


class _AsGelf(logging.Formatter):
    """One line of JSON, as the other services' logs."""

    def __init__(self, host: str) -> None:
        super().__init__()
        self._host = host

    def format(self, record: logging.LogRecord) -> str:
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        return encode(message_fields(record, self._host)).decode()
