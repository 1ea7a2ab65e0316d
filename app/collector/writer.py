"""The one thread that writes to the store: in bulk, and again until the store takes it."""

import logging
import threading
import time
from typing import Final

from app.collector.backlog import Backlog
from app.core.backoff import Backoff
from app.core.errors import LogsAway
from app.core.log_records import LogRecord
from app.core.ports import LogStore
from app.telemetry.metrics import Metrics

MOST_RECORDS: Final = 4000
MOST_BYTES: Final = 4 << 20
"""Of one write."""
_INTERVAL: Final = 0.1
_LONGEST_PAUSE: Final = 1.0
_FAREWELL: Final = 5.0
"""Seconds that a store which is away gets at the end."""

log = logging.getLogger("collector")


class Writer:
    """Empties the backlog into the store; runs between `start` and `close`."""

    def __init__(self, backlog: Backlog, store: LogStore, metrics: Metrics) -> None:
        self._backlog = backlog
        self._store = store
        self._stored = metrics.counter("log_documents_total", store.name, "stored")
        self._rejected = metrics.counter("log_documents_total", store.name, "rejected")
        self._lost = metrics.counter("log_documents_total", store.name, "dropped")
        self._retries = metrics.counter("log_store_retries_total", store.name)
        self._seconds = metrics.histogram("log_store_write_seconds", store.name)
        self._backoff = Backoff(_LONGEST_PAUSE)
        self._closing = threading.Event()
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Write what is left; give up what a store that is away does not take within some seconds, and count it."""
        self._deadline = time.monotonic() + _FAREWELL
        self._closing.set()
        self._thread.join(2 * _FAREWELL)
        if left := len(self._backlog):
            self._lost.add(left)
            log.error("ended while the store %s was away: %d records are lost", self._store.name, left)

    def _run(self) -> None:
        while not self._closing.wait(_INTERVAL):
            self._write_all()
        self._write_all()

    def _write_all(self) -> None:
        while records := self._backlog.take(MOST_RECORDS, MOST_BYTES):
            if not self._write(records):
                return

    def _write(self, records: list[LogRecord]) -> bool:
        """Write them all, however long it takes; False when the time at the end was not enough."""
        left = records
        while True:
            left = self._tried(left)
            if not left:
                self._backoff.succeeded()
                return True
            self._retries.add()
            now = time.monotonic()
            if now > self._deadline:
                return False
            pause = self._backoff.failed(now)
            if not self._closing.wait(pause):
                continue
            time.sleep(min(pause, _INTERVAL))  # the end is near, and every try counts

    def _tried(self, records: list[LogRecord]) -> list[LogRecord]:
        """Try to write them once; return those to try again."""
        well, began = self._store.reachable(), time.perf_counter()
        try:
            written = self._store.write(records)
        except LogsAway as error:
            if well:
                log.warning("store %s: %s; records wait in memory until it is back", self._store.name, error)
            return records
        except Exception:
            # The thread must live: what nobody has foreseen is tried again like what passes.
            log.exception("store %s: a write failed", self._store.name)
            return records
        self._seconds.observe(time.perf_counter() - began)
        self._stored.add(written.stored)
        self._rejected.add(written.rejected)
        self._backlog.settle(written.stored + written.rejected)
        return list(written.again)
