"""Logs in Elasticsearch: an alias whose newest index is written and replaced by size, whose oldest is deleted."""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from elasticsearch import ApiError, Elasticsearch, TransportError

from app.core.errors import LogsAway
from app.core.log_records import LogRecord
from app.core.ports import Written

ALIAS: Final = "lab-logs"
FIRST: Final = f"{ALIAS}-000001"
TEMPLATE: Final = Path(__file__).with_name("logs_template.json")
PARTS: Final = 8
"""An index is about this part of the whole: as much is lost at once."""
_SECONDS: Final = 8.0
_SHARD_SECONDS: Final = "3s"
_CHECK_EVERY: Final = 5.0
# What an item is refused with for a while, and not for what it is: no room, no shard, no index, a block.
_PASSES: Final = frozenset({401, 403, 404, 408, 429})

log = logging.getLogger("collector")
_encode = msgspec.json.Encoder().encode


class ElasticLogs:
    """The store of logs that other tools can search as well."""

    name = "elasticsearch"

    def __init__(self, url: str, most_bytes: int) -> None:
        """`most_bytes`: of all indices behind the alias. Raises ValueError for what is no URL."""
        self._client = Elasticsearch(url, request_timeout=_SECONDS, max_retries=0, retry_on_timeout=False)
        self._most_bytes = most_bytes
        self._prepared = False
        self._well = True
        self._size = 0
        self._check_at = 0.0
        self._unchecked = 0

    def write(self, records: Sequence[LogRecord]) -> Written:
        lines = [line for record in records for line in (b'{"create":{"_id":"%d"}}' % record.ident, _document(record))]
        try:
            self._prepare()
            answer = self._client.bulk(
                index=ALIAS,
                operations=lines,  # type: ignore[arg-type]  # lines that are encoded already are sent as they are
                require_alias=True,
                timeout=_SHARD_SECONDS,
                filter_path="errors,items.*.status,items.*.error.type,items.*.error.reason",
            )
        except (ApiError, TransportError) as error:
            self._well = self._prepared = False
            raise LogsAway(_reason(error)) from None
        written = self._sorted(records, [item["create"] for item in answer["items"]])
        self._well = not written.again
        self._unchecked += sum(map(len, lines))
        # Not between two tries: a record given again must meet the index that may have it already.
        if not written.again:
            self._keep_bounds()
        return written

    def size(self) -> int:
        return self._size

    def reachable(self) -> bool:
        return self._well

    def close(self) -> None:
        self._client.close()

    def _sorted(self, records: Sequence[LogRecord], items: Sequence[Mapping[str, Any]]) -> Written:
        """Sort records by what came of each. Raises LogsAway when all are to be tried again."""
        stored = rejected = 0
        again, why = [], ""
        for record, item in zip(records, items, strict=True):
            status = item["status"]
            if status in {200, 201, 409}:  # 409: an earlier try that we heard nothing of has stored it
                stored += 1
                continue
            why = f"{status} {item.get('error', {}).get('type')}: {item.get('error', {}).get('reason')}"[:300]
            if status in _PASSES or status >= 500:
                again.append(record)
                self._prepared = self._prepared and status != 404
            else:
                rejected += 1
        if rejected:
            log.error("%s: %d records are refused for good, one of them with %s", ALIAS, rejected, why)
        if len(again) == len(records):
            self._well = False
            raise LogsAway(why)
        return Written(stored, rejected, again)

    def _prepare(self) -> None:
        """See that template, index and alias are there, whoever deleted them."""
        if self._prepared:
            return
        indices = self._client.indices
        indices.put_index_template(name=ALIAS, body=msgspec.json.decode(TEMPLATE.read_bytes()))
        if not indices.exists_alias(name=ALIAS):
            if not indices.exists(index=FIRST):
                indices.create(index=FIRST)
            indices.put_alias(index=FIRST, name=ALIAS, is_write_index=True)
        self._prepared = True

    def _keep_bounds(self) -> None:
        """Begin another index when the newest is full; delete the oldest while all together are too large."""
        part, now = self._most_bytes // PARTS, time.monotonic()
        if now < self._check_at and self._unchecked < part // 2:
            return
        self._check_at, self._unchecked = now + _CHECK_EVERY, 0
        indices = self._client.indices
        try:
            sizes = self._sizes()
            if sizes and list(sizes.values())[-1] >= part:
                indices.rollover(alias=ALIAS)
            # The next index needs room as well.
            while len(sizes) > 1 and sum(sizes.values()) > self._most_bytes - part:
                oldest = next(iter(sizes))
                indices.delete(index=oldest)
                del sizes[oldest]
            self._size = sum(sizes.values())
        except (ApiError, TransportError) as error:
            log.warning("%s: its size cannot be kept at this time: %s", ALIAS, _reason(error))

    def _sizes(self) -> dict[str, int]:
        """Return the bytes of each index, oldest first."""
        path = "indices.*.primaries.store.size_in_bytes"
        answer = self._client.indices.stats(index=ALIAS, metric="store", filter_path=path)
        found = answer.body.get("indices", {})
        return {name: int(found[name]["primaries"]["store"]["size_in_bytes"]) for name in sorted(found)}


def _document(record: LogRecord) -> bytes:
    """Return a record as it is indexed; the time in milliseconds, with its fraction in the source."""
    named = zip(record._fields[2:], record[2:], strict=True)
    document: dict[str, Any] = {name: value for name, value in named if value is not None}
    document["timestamp"] = round(record.time * 1000, 3)
    if record.fields is not None:
        document["fields"] = msgspec.Raw(record.fields.encode())
    return _encode(document)


def _reason(error: ApiError | TransportError) -> str:
    text = f"{error.status_code} {error.message}" if isinstance(error, ApiError) else str(error)
    return text[:300]
