"""What the proof asks of Prometheus's HTTP API, one question after the other."""

import math
from types import TracebackType
from typing import Any, Self

import httpx

from labkit.errors import CannotRun
from labkit.samples import finite

DEADLINE = httpx.Timeout(20.0, connect=2.0)
Points = list[tuple[float, float]]


class Refused(Exception):
    """Prometheus does not answer this query; the text is its own."""


class Prometheus:
    """One Prometheus. Methods raise CannotRun when it does not answer at all."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = httpx.Client(base_url=url, timeout=DEADLINE, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def over_time(self, query: str, start: float, end: float, step: float) -> list[Points]:
        """Return the series of a query without what is no finite number. Raises Refused."""
        asked = {"query": query, "start": start, "end": end, "step": step}
        data = self._data("query_range", asked)
        return [finite(series["values"]) for series in data["result"]]

    def values(self, query: str, moment: float | None = None) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of each series of a query, now unless another moment is given. Raises Refused."""
        data = self._at(query, moment)
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        if data["resultType"] != "vector":
            raise Refused(f"the answer is a {data['resultType']}, not one value for each series")
        return [(series["metric"], float(series["value"][1])) for series in data["result"]]

    def samples(self, selector: str, seconds: int, moment: float) -> list[tuple[dict[str, str], Points]]:
        """Return labels and raw samples of each series, of the last seconds before a moment. Raises Refused."""
        data = self._at(f"{selector}[{seconds}s]", moment)
        return [(series["metric"], finite(series["values"])) for series in data["result"]]

    def firing(self, start: float, end: float) -> set[str]:
        """Return the alerts that fired at some time."""
        window = f"{max(1, math.ceil(end - start))}s"
        query = f'max by (alertname) (max_over_time(ALERTS{{alertstate="firing"}}[{window}]))'
        return {labels["alertname"] for labels, _ in self.values(query, end)}

    def rules(self) -> list[dict[str, Any]]:
        """Return all rules that are loaded."""
        groups = self._data("rules", {})["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def names(self, start: float, end: float) -> set[str]:
        """Return every metric that has series in that time, and those that a target names without a series yet."""
        there = self._data("label/__name__/values", {"start": start, "end": end})
        return {*there, *self._data("metadata", {})}

    def _at(self, query: str, moment: float | None) -> Any:
        return self._data("query", {"query": query} | ({} if moment is None else {"time": moment}))

    def _data(self, what: str, asked: dict[str, Any]) -> Any:
        try:
            answer = self._client.get(f"/api/v1/{what}", params=asked)
            body = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            told = f"{type(error).__name__}: {error}"
            raise CannotRun(f"Prometheus at {self._url} does not answer ({told}); next: lab status") from error
        if body.get("status") != "success":
            raise Refused(str(body.get("error", answer.text[:200])))
        return body["data"]
