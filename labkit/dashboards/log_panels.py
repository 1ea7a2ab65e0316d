"""Panels of logs: Grafana's Elasticsearch targets, answered by the store of logs whichever it is."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from labkit.dashboards.frames import Frame, Grid, on_grid
from labkit.dashboards.prometheus import NoAnswer
from labkit.dashboards.window import Window
from labkit.errors import CannotRun

if TYPE_CHECKING:
    from labkit.logs.store import LogStore

T = TypeVar("T")

MOST_LINES = 500
NAMES = {"timestamp": "time", "@timestamp": "time"}  # what Grafana calls a field, what the store calls it


class LogDesk:
    """The store of logs behind one thread of its own: it is opened there, asked there and closed there."""

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._thread = ThreadPoolExecutor(1, "logs")
        self._store: LogStore | None = None

    async def ask(self, question: "Callable[[LogStore], T]") -> T:
        """Ask the store. Raises NoAnswer."""
        if not self._address:
            raise NoAnswer("this stack keeps no logs (profile core); next: lab down, then lab up")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._asked, question)
        except CannotRun as error:  # a wrong query among them; its text says what and where
            raise NoAnswer(str(error)) from None
        except Exception as error:
            raise NoAnswer(f"the store of logs at {self._address} did not answer: {error}; next: lab status") from None

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _asked(self, question: "Callable[[LogStore], T]") -> T:
        if self._store is None:
            from labkit.logs.opening import open_store

            self._store = open_store(self._address or "")
        return question(self._store)


async def log_frames(
    target: dict[str, Any],
    query: str,
    span: Window,
    grid: Grid,
    desk: LogDesk,
    series: list[Frame],
    logs: list[dict[str, Any]],
) -> None:
    """Answer one target: records, counts over time (by a field or not) or counts by fields. Raises NoAnswer."""
    metric = str((target.get("metrics") or [{"type": "count"}])[0].get("type"))
    groups = target.get("bucketAggs") or []
    fields = tuple(_name(group["field"]) for group in groups if group.get("type") == "terms")
    ref = str(target.get("refId", "A"))
    if metric in {"logs", "raw_data", "raw_document"}:
        limit = _limit((target.get("metrics") or [{}])[0])
        records = await desk.ask(lambda s: s.search(query, span.start, span.end, limit))
        logs += [record.to_dict() for record in records]
    elif metric != "count":
        raise NoAnswer(f"target {ref} wants {metric!r} of log records; drawn here are logs and count")
    elif any(group.get("type") == "date_histogram" for group in groups):
        if len(fields) > 1:
            raise NoAnswer(f"target {ref} counts by {', '.join(fields)} over time; drawn here is one field at most")
        start, step, count = grid
        by, most = "".join(fields), _most(groups)
        found = await desk.ask(lambda s: s.histogram(query, start, start + step * count, step, by=by, most=most))
        series += _over_time(found, target, ref, by, grid)
    else:
        counted = await desk.ask(lambda s: s.count_by(query, span.start, span.end, fields))
        rows = sorted(counted.items(), key=lambda pair: -pair[1])[: _most(groups)]
        series += [
            {
                "ref": ref,
                "name": ", ".join(key) or "count",
                "labels": dict(zip(fields, key, strict=True)),
                "values": [n],
            }
            for key, n in rows
        ]


def _over_time(
    found: dict[str, list[tuple[float, int]]], target: dict[str, Any], ref: str, by: str, grid: Grid
) -> list[Frame]:
    """No record in a step is a zero here, not a gap: the store was asked and had none.

    Records that lack the field are left out, as Elasticsearch leaves them out of terms.
    """
    drawn = []
    for key, points in found.items():
        if by and not key:
            continue
        labels = {by: key} if by else {}
        name = str(target.get("alias") or "").replace("{{term " + by + "}}", key).replace("{{" + by + "}}", key)
        values = [0.0 if value is None else value for value in on_grid(points, grid)]
        drawn.append({"ref": ref, "name": name or key or "records", "labels": labels, "values": values})
    return drawn


def _limit(metric: dict[str, Any]) -> int:
    settings = metric.get("settings") or {}
    return min(MOST_LINES, int(settings.get("limit") or settings.get("size") or MOST_LINES))


def _most(groups: list[dict[str, Any]]) -> int:
    sizes = [int((group.get("settings") or {}).get("size") or 10) for group in groups if group.get("type") == "terms"]
    return max(sizes, default=10) or 500


def _name(field: str) -> str:
    bare = field.removesuffix(".keyword").removeprefix("_")
    return NAMES.get(bare, bare)
