"""Before anything is timed: who is compared must give the same answers to the same bodies."""

import http.client
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from bench.bodies import SERIAL
from bench.errors import CannotMeasure


def answers(url: str, path: str, bodies: Sequence[str]) -> list[Any]:
    """Post every body once and return the results. Raises CannotMeasure for any status but 200."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    results = []
    try:
        for body in bodies:
            text = body.replace(SERIAL, "0" * len(SERIAL))
            connection.request("POST", path, text, {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read()
            if response.status != 200:
                raise CannotMeasure(f"{url}{path} answered {response.status} to {text[:80]}: {content[:200]!r}")
            results.append(json.loads(content)["result"])
    finally:
        connection.close()
    return results


def require_equal(one: str, first: Sequence[Any], other: str, second: Sequence[Any]) -> None:
    """Raise CannotMeasure unless both gave the same results."""
    different = [index for index, (a, b) in enumerate(zip(first, second, strict=True)) if a != b]
    if different:
        index = different[0]
        raise CannotMeasure(
            f"{one} and {other} differ in {len(different)} of {len(first)} answers (body {index}: {first[index]} and "
            f"{second[index]}): they do not serve the same model; run: make train"
        )
