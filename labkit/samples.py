"""Prometheus's answers as numbers."""

import math
from collections.abc import Iterable, Sequence
from typing import Any


def finite(raw: Iterable[Sequence[Any]]) -> list[tuple[float, float]]:
    """Return [time, "value"] pairs as numbers; what is no finite number has no place in a plot or a sum: left out."""
    pairs = ((float(time), float(value)) for time, value in raw)
    return [(time, value) for time, value in pairs if math.isfinite(value)]
