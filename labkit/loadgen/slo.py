"""Service level objectives as data: what a run is judged by, read from a TOML file.

Evaluation belongs to labkit.report; here stands only what an objective says.
"""

from pathlib import Path
from typing import Literal

import msgspec

from labkit.errors import CannotRun
from labkit.loadgen.toml_file import read_toml

Kind = Literal["response-time", "service-time", "error-ratio", "achieved-rate", "goodput"]
Unit = Literal["ms", "%", "req/s"]

UNIT_OF: dict[str, Unit] = {
    "response-time": "ms",
    "service-time": "ms",
    "error-ratio": "%",
    "achieved-rate": "%",
    "goodput": "req/s",
}
AT_LEAST = frozenset({"achieved-rate", "goodput"})


class Objective(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One promise: a number of a run and the limit that it must keep.

    `response-time` and `service-time`: the `percentile` of the requests selected, at most `limit` ms.
    `error-ratio`: failed / sent of the requests selected, at most `limit` %.
    `achieved-rate`: sent on schedule / intended of the whole run, at least `limit` % (scheduled runs only).
    `goodput`: good answers of the requests selected a second, at least `limit` req/s.
    `method` and `route` select requests; `*` is every one of them. A route is a template such as /models/{model}.
    """

    name: str
    kind: Kind
    limit: float
    unit: Unit
    method: str = "*"
    route: str = "*"
    percentile: float | None = None

    @property
    def at_least(self) -> bool:
        """True when the measured number must reach the limit, False when it must stay below it."""
        return self.kind in AT_LEAST

    def selects(self, method: str, route: str) -> bool:
        return self.method in ("*", method) and self.route in ("*", route)


class Objectives(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An SLO file: `[[objective]]` tables."""

    objective: tuple[Objective, ...]


def read_objectives(path: Path) -> Objectives:
    """Read an SLO file. Raises CannotRun that names the file, the objective, the value and what is expected."""
    objectives = read_toml(path, Objectives)
    seen: set[str] = set()
    for one in objectives.objective:
        for wrong in contradictions(one):
            raise CannotRun(f"{path}: objective {one.name!r}: {wrong}")
        if one.name in seen:
            raise CannotRun(f"{path}: two objectives are named {one.name!r}; give each its own name")
        seen.add(one.name)
    return objectives


def contradictions(objective: Objective) -> list[str]:
    """Return what cannot be meant in one objective, each with the next step."""
    found = []
    if objective.unit != UNIT_OF[objective.kind]:
        found.append(f"unit = {objective.unit!r} for {objective.kind}; write {UNIT_OF[objective.kind]!r}")
    timed = objective.unit == "ms"
    if timed and (objective.percentile is None or not 0 < objective.percentile <= 100):
        found.append(f"percentile = {objective.percentile!r}; write a number above 0 and up to 100")
    if not timed and objective.percentile is not None:
        found.append(f"percentile = {objective.percentile!r} has no meaning for {objective.kind}; leave it out")
    if objective.limit < 0 or (objective.unit == "%" and objective.limit > 100):
        found.append(f"limit = {objective.limit!r} {objective.unit}; write a limit that can be kept and broken")
    if objective.kind == "achieved-rate" and (objective.method, objective.route) != ("*", "*"):
        found.append("achieved-rate is of the whole run; leave method and route out")
    return found
