"""Answers in the form that a page draws: a common time grid, one list of values a series."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from labkit.dashboards.prometheus import Series

Frame = dict[str, Any]
Grid = tuple[float, float, int]  # first time, step, number of points

_LABEL = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")


def legend(template: str, labels: Mapping[str, str], query: str = "") -> str:
    """Return a series' name: "{{label}}" is replaced; without a template its labels, else its query."""
    if template and template != "__auto":
        return _LABEL.sub(lambda match: labels.get(match[1], ""), template)
    shown = ", ".join(f'{name}="{value}"' for name, value in labels.items() if name != "__name__")
    name = labels.get("__name__", "")
    return f"{name}{{{shown}}}" if shown else name or query


def over_time(ref: str, template: str, query: str, found: Iterable[Series], grid: Grid) -> list[Frame]:
    """Put series on the grid; a point that is not there is None, so that a gap is seen as one."""
    return [
        {
            "ref": ref,
            "name": legend(template, one.labels, query),
            "labels": one.labels,
            "values": on_grid(one.points, grid),
        }
        for one in found
    ]


def at_once(ref: str, template: str, query: str, found: Iterable[Series]) -> list[Frame]:
    """Return series of one value each; those without a finite value are left out."""
    return [
        {
            "ref": ref,
            "name": legend(template, one.labels, query),
            "labels": one.labels,
            "values": [short(one.points[-1][1])],
        }
        for one in found
        if one.points
    ]


def buckets(frames: list[Frame]) -> list[Frame]:
    """Turn a histogram's cumulative series (label `le`) into one series a bucket, ascending, named by its bound."""
    ordered = sorted((frame for frame in frames if "le" in frame["labels"]), key=lambda f: float(f["labels"]["le"]))
    below: list[float | None] = []
    found = []
    for frame in ordered:
        values = frame["values"]
        own = [
            None if v is None else max(0.0, short(v - (below[n] or 0.0 if below else 0.0)))
            for n, v in enumerate(values)
        ]
        found.append({**frame, "name": frame["labels"]["le"], "values": own})
        below = values
    return found


def on_grid(points: Iterable[tuple[float, float]], grid: Grid) -> list[float | None]:
    start, step, count = grid
    values: list[float | None] = [None] * count
    for time, value in points:
        place = round((time - start) / step)
        if 0 <= place < count:
            values[place] = short(value)
    return values


def short(value: float) -> float:
    """Ten digits are more than a drawing shows and half of what JSON would carry."""
    return float(f"{value:.10g}")
