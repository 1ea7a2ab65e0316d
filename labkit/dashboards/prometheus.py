"""Prometheus asked for series: few questions at once, each with a deadline, every failure in words."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from labkit.samples import finite

AT_ONCE = 6
DEADLINE_S = 5.0
MOST_SERIES = 200  # more can neither be drawn nor told apart


class NoAnswer(Exception):
    """What was asked could not be answered: the text says why and what next."""


@dataclass(frozen=True)
class Series:
    """One series: labels and (epoch seconds, value) pairs."""

    labels: dict[str, str]
    points: list[tuple[float, float]]


class Prometheus:
    """The HTTP API of one Prometheus."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._client = httpx.AsyncClient(
            base_url=url,
            timeout=httpx.Timeout(DEADLINE_S, connect=1.0),
            limits=httpx.Limits(max_connections=AT_ONCE),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def over_time(self, query: str, start: float, end: float, step: float) -> list[Series]:
        """Ask for values from start to end (epoch seconds) with a step in seconds. Raises NoAnswer."""
        return _series(await self._ask("query_range", query=query, start=start, end=end, step=step))

    async def at(self, query: str, time: float) -> list[Series]:
        """Ask for the values of one moment. Raises NoAnswer."""
        return _series(await self._ask("query", query=query, time=time))

    async def label_values(self, label: str, selector: str, start: float, end: float) -> list[str]:
        """Return the values that a label has in that time on what the selector finds ("": all). Raises NoAnswer."""
        asked: dict[str, Any] = {"start": start, "end": end}
        if selector:
            asked["match[]"] = selector
        return [str(value) for value in await self._ask(f"label/{label}/values", "GET", **asked)]

    async def _ask(self, what: str, method: str = "POST", **asked: Any) -> Any:
        sent = {"params": asked} if method == "GET" else {"data": asked}
        try:
            async with self._turn:
                answer = await self._client.request(method, f"/api/v1/{what}", **sent)  # type: ignore[arg-type]  # a dict
            body = answer.json()
        except httpx.TimeoutException as error:
            if isinstance(error, httpx.ConnectTimeout):
                raise NoAnswer(self._away(error)) from None
            raise NoAnswer(f"Prometheus did not answer within {DEADLINE_S:g} s; next: choose less time") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoAnswer(self._away(error)) from None
        except ValueError:
            raise NoAnswer(f"{self.url} answers, but not as Prometheus does; next: check LAB_PROMETHEUS_URL") from None
        if answer.status_code != httpx.codes.OK or not isinstance(body, Mapping) or body.get("status") != "success":
            told = body.get("error") if isinstance(body, Mapping) else None
            raise NoAnswer(f"Prometheus refused the query (HTTP {answer.status_code}): {told or answer.text[:200]}")
        return body["data"]

    def _away(self, error: Exception) -> str:
        return f"Prometheus at {self.url} does not answer ({type(error).__name__}); next: lab status"


def _series(data: Mapping[str, Any]) -> list[Series]:
    kind, result = data["resultType"], data["result"]
    if kind == "scalar":
        return [Series({}, finite([result]))]
    return [Series(raw["metric"], finite(raw["values"] if "values" in raw else [raw["value"]])) for raw in result]
