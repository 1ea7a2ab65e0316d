"""The server's side of a run, asked of Prometheus once and kept in the run's folder as server.json."""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import msgspec

from labkit.report.queries import COUNTED, OVER_TIME, WHOLE_RUN, Query
from labkit.samples import finite

MARGIN_S = 5.0  # shown before the first and after the last request
POINTS = 600  # at most, for each series
PATIENCE_S = 6.0  # longest wait for the scrape that sees the last request
DEADLINE = httpx.Timeout(5.0, connect=1.0)


class Series(msgspec.Struct, frozen=True):
    """One series as Prometheus gave it: (epoch seconds, value) pairs; gaps are left out, not filled."""

    labels: dict[str, str]
    points: tuple[tuple[float, float], ...]


class ServerView(msgspec.Struct, frozen=True):
    """Prometheus's answers for one run; `problem` says why there are none."""

    prometheus: str | None
    problem: str = ""
    interval_s: float = 0.0
    step_s: float = 0.0
    over_time: dict[str, tuple[Series, ...]] = {}
    whole_run: dict[str, tuple[Series, ...]] = {}
    before: dict[str, tuple[Series, ...]] = {}
    after: dict[str, tuple[Series, ...]] = {}
    queries: dict[str, str] = {}

    @property
    def empty(self) -> bool:
        return not any(self.over_time.values())


def server_view(
    folder: Path, started: float, ended: float, counted: tuple[float, float], prometheus: str | None, *, fresh: bool
) -> ServerView:
    """Return the answers kept in the folder, or ask Prometheus for them and keep them.

    `counted` is when the counters were read directly (before, after), in epoch seconds; `fresh` asks again.
    A Prometheus that is gone or has nothing of this window is a ServerView with a `problem`, never an error.
    """
    kept = folder / "server.json"
    if kept.exists() and not fresh:
        try:
            return msgspec.json.decode(kept.read_bytes(), type=ServerView)
        except msgspec.DecodeError as error:
            return ServerView(prometheus, problem=f"{kept.name} cannot be read: {error}")
    if not prometheus:
        return ServerView(None, problem="the run knew no Prometheus")
    try:
        with httpx.Client(base_url=prometheus, timeout=DEADLINE, trust_env=False) as client:
            view = _ask(client, prometheus, started, ended, counted)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        return ServerView(prometheus, problem=f"Prometheus at {prometheus} did not answer: {_words(error)}")
    if view.empty:
        return ServerView(prometheus, problem=f"Prometheus at {prometheus} has no sample of this run's time")
    kept.write_bytes(msgspec.json.encode(view))
    return view


def _ask(
    client: httpx.Client, prometheus: str, started: float, ended: float, counted: tuple[float, float]
) -> ServerView:
    interval = _scrape_interval(client)
    before, after = counted[0], counted[1] + interval + 0.5  # the first scrape after the last request
    time.sleep(min(max(after - time.time(), 0.0), PATIENCE_S))
    start, end = started - MARGIN_S, min(ended + MARGIN_S, time.time())
    step = float(max(1, math.ceil((end - start) / POINTS)))
    words = {"R": f"{math.ceil(max(4 * interval, step, 4))}s", "W": f"{math.ceil(end - started)}s"}
    span = {"start": start, "end": end, "step": step}
    return ServerView(
        prometheus,
        interval_s=interval,
        step_s=step,
        over_time={k: _series(client, "query_range", q, words, span) for k, q in OVER_TIME.items()},
        whole_run={k: _series(client, "query", q, words, {"time": end}) for k, q in WHOLE_RUN.items()},
        before={k: _series(client, "query", q, words, {"time": before}) for k, q in COUNTED.items()},
        after={k: _series(client, "query", q, words, {"time": after}) for k, q in COUNTED.items()},
        queries={k: _worded(q, words) for k, q in OVER_TIME.items()},
    )


def _scrape_interval(client: httpx.Client) -> float:
    """Return the shortest scrape interval of the active targets, in seconds (a target says "1s", "1m", "500ms").

    The service is scraped most often; what is scraped too rarely for its rate window has a gap in the plots.
    """
    targets = _data(client.get("/api/v1/targets", params={"state": "active"}))["activeTargets"]
    return min((_seconds(target["scrapeInterval"]) for target in targets), default=1.0)


def _seconds(duration: str) -> float:
    unit = duration.lstrip("0123456789.")
    scale = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}.get(unit)
    return 15.0 if scale is None else float(duration.removesuffix(unit)) * scale


def _series(
    client: httpx.Client, what: str, query: Query, words: Mapping[str, str], when: Mapping[str, float]
) -> tuple[Series, ...]:
    answer = _data(client.get(f"/api/v1/{what}", params={"query": _worded(query, words), **when}))
    return tuple(_one_series(raw) for raw in answer["result"])


def _one_series(raw: dict[str, Any]) -> Series:
    values = raw["values"] if "values" in raw else [raw["value"]]
    return Series(raw["metric"], tuple(finite(values)))


def _data(answer: httpx.Response) -> dict[str, Any]:
    if answer.status_code != httpx.codes.OK:
        raise ValueError(f"HTTP {answer.status_code} {answer.text[:200]}")
    data: dict[str, Any] = answer.json()["data"]
    return data


def _worded(query: Query, words: Mapping[str, str]) -> str:
    text = query.promql
    for letter, duration in words.items():
        text = text.replace(f"[{letter}]", f"[{duration}]")
    return text


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
