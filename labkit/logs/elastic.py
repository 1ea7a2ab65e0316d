"""The store in Elasticsearch: all indices behind one alias, which the collector writes while we read."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import elasticsearch
from elasticsearch import Elasticsearch

from labkit.errors import CannotRun
from labkit.logs.elastic_query import read_from_documents, request, stored_as
from labkit.logs.fields import COLUMNS, is_column, shown
from labkit.logs.query import parse
from labkit.logs.store import MOST, REPEATED_MOST, LogRecord, buckets, milliseconds
from labkit.logs.tree import fields_of

ALIAS = "lab-logs"
TIME = "timestamp"
DEADLINE_S = 10.0
GROUPS_AT_ONCE = 1000


class ElasticLogs:
    """Asks one Elasticsearch; what the collector has not written yet is not found, as in any store."""

    def __init__(self, address: str, password: str | None = None) -> None:
        """`password`: of its user `elastic`, where it asks for one."""
        self._address = address
        login = ("elastic", password) if password else None
        self._client = Elasticsearch(address, basic_auth=login, request_timeout=DEADLINE_S, max_retries=0)

    def search(self, query: str, start: float, end: float, limit: int, newest_first: bool = True) -> list[LogRecord]:
        order = "desc" if newest_first else "asc"
        found = self._ask(query, start, end, {"size": min(limit, MOST), "sort": [{TIME: {"order": order}}]})
        records = [_record(hit["_source"]) for hit in found["hits"]["hits"]]
        # It sorts by whole milliseconds; a record's own time is finer.
        return sorted(records, key=lambda record: record.time, reverse=newest_first)

    def count(self, query: str, start: float, end: float) -> int:
        found = self._ask(query, start, end, {"size": 0, "track_total_hits": True})
        return int(found["hits"]["total"]["value"])

    def count_by(self, query: str, start: float, end: float, fields: tuple[str, ...]) -> dict[tuple[str, ...], int]:
        total: Counter[tuple[str, ...]] = Counter()
        for key, n in self._groups(query, start, end, fields, [_terms(name) for name in fields]):
            total[tuple(shown(name, key[name]) for name in fields)] += n
        return dict(total)

    def repeated(self, query: str, start: float, end: float, field: str) -> dict[str, int]:
        terms = {"field": stored_as(field), "min_doc_count": 2, "size": REPEATED_MOST}
        asked = {"size": 0, "aggs": {"values": {"terms": terms}}}
        found = self._ask(query, start, end, asked, (field,)).get("aggregations", {}).get("values", {"buckets": []})
        return {shown(field, bucket["key"]): bucket["doc_count"] for bucket in found["buckets"]}

    def histogram(
        self, query: str, start: float, end: float, step: float, by: str = "", most: int = 10
    ) -> dict[str, list[tuple[float, int]]]:
        start_ms, end_ms, step_ms = milliseconds(start), milliseconds(end), max(1, round(step * 1000))
        steps = {"field": TIME, "fixed_interval": f"{step_ms}ms", "offset": f"+{start_ms % step_ms}ms"}
        sources: list[dict[str, Any]] = [{TIME: {"date_histogram": steps}}]
        found: Counter[tuple[str, int]] = Counter()
        fields = (by,) if by else ()
        for key, n in self._groups(query, start, end, fields, sources + [_terms(name) for name in fields]):
            found[shown(by, key[by]) if by else "", int(key[TIME])] += n
        return buckets(found, start_ms, end_ms, step_ms, by, most)

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _groups(
        self, query: str, start: float, end: float, fields: tuple[str, ...], sources: list[dict[str, Any]]
    ) -> Iterator[tuple[dict[str, Any], int]]:
        """Yield every combination of values and its number, however many there are."""
        composite: dict[str, Any] = {"size": GROUPS_AT_ONCE, "sources": sources}
        while True:
            asked = {"size": 0, "aggs": {"groups": {"composite": composite}}}
            found = self._ask(query, start, end, asked, fields).get("aggregations", {}).get("groups", {"buckets": []})
            for bucket in found["buckets"]:
                yield bucket["key"], bucket["doc_count"]
            if "after_key" not in found:
                return
            composite = {**composite, "after": found["after_key"]}

    def _ask(
        self, query: str, start: float, end: float, asked: dict[str, Any], fields: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        tree = parse(query)
        limits = {"gte": milliseconds(start), "lt": milliseconds(end), "format": "epoch_millis"}
        body = {
            "query": {"bool": {"filter": [{"range": {TIME: limits}}, request(tree)]}},
            "runtime_mappings": read_from_documents({*fields_of(tree), *fields}),
            **asked,
        }
        try:
            answer = self._client.search(index=ALIAS, ignore_unavailable=True, allow_no_indices=True, body=body)
        except (elasticsearch.ConnectionError, elasticsearch.ConnectionTimeout) as error:
            raise CannotRun(f"Elasticsearch at {self._address} does not answer ({error}); next: lab status") from error
        except elasticsearch.ApiError as error:
            raise CannotRun(
                f"Elasticsearch at {self._address} refused the question ({error.status_code} {error.message}); "
                "next: lab logs elasticsearch"
            ) from error
        found: dict[str, Any] = answer.body
        return found


def _terms(field: str) -> dict[str, Any]:
    return {field: {"terms": {"field": stored_as(field), "missing_bucket": True}}}


def _record(document: dict[str, Any]) -> LogRecord:
    columns = {name: document.get(name) for name in COLUMNS if is_column(name)}
    return LogRecord(time=_epoch(document[TIME]), **columns, fields=document.get("fields") or {})  # type: ignore[arg-type]  # as the collector wrote them


def _epoch(moment: float | str) -> float:
    """Return a document's time, milliseconds or ISO 8601, in epoch seconds."""
    return datetime.fromisoformat(moment).timestamp() if isinstance(moment, str) else moment / 1000
