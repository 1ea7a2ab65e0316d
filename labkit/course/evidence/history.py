"""What Prometheus knew at a moment: a query's answer, and the raw samples that it was made of."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import httpx

from labkit.course.evidence.metrics import Labels
from labkit.errors import CannotRun
from labkit.prove.prometheus import Refused
from labkit.samples import finite


def values_at(url: str, query: str, moment: float) -> list[tuple[dict[str, str], float]]:
    """Return labels and value of each series. Raises Refused for what has no such answer, CannotRun."""
    data = _asked(url, query, moment)
    if data["resultType"] == "scalar":
        return [({}, float(data["result"][1]))]
    if data["resultType"] != "vector":
        raise Refused(f"the answer is a {data['resultType']}, not one value for each series")
    return [(series["metric"], float(series["value"][1])) for series in data["result"]]


def samples_until(url: str, selector: str, seconds: int, moment: float) -> dict[Labels, list[tuple[float, float]]]:
    """Return the raw samples of the last seconds before a moment, by labels."""
    data = _asked(url, f"{selector}[{seconds}s]", moment)
    return {tuple(sorted(series["metric"].items())): finite(series["values"]) for series in data["result"]}


def risen(samples: Sequence[tuple[float, float]]) -> float:
    """Return how much a counter rose from its first sample to its last; one that fell began anew at zero."""
    return sum(new - old if new >= old else new for (_, old), (_, new) in pairwise(samples))


def _asked(url: str, query: str, moment: float) -> Any:
    asked = {"query": query, "time": f"{moment:.3f}"}
    try:
        body = httpx.get(f"{url}/api/v1/query", params=asked, timeout=10, trust_env=False).json()
    except (httpx.HTTPError, ValueError) as error:
        raise CannotRun(f"Prometheus at {url} does not answer ({type(error).__name__}); next: lab status") from error
    if body.get("status") != "success":
        raise Refused(str(body.get("error", "no reason given")))
    return body["data"]
