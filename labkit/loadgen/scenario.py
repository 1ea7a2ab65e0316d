"""Scenarios as data: what is sent, how fast, for how long; read from TOML files."""

from pathlib import Path
from typing import Any, Literal

import msgspec

from labkit.errors import CannotRun
from labkit.loadgen import shapes
from labkit.loadgen.slo import Objectives, read_objectives
from labkit.loadgen.toml_file import read_toml

Mode = Literal["scheduled", "closed"]
Arrivals = Literal["even", "poisson"]


class Constant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="constant", tag_field="kind"):
    rate: float

    def build(self, seconds: float) -> shapes.Shape:
        return shapes.constant(self.rate, seconds)


class Ramp(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="ramp", tag_field="kind"):
    first: float
    last: float

    def build(self, seconds: float) -> shapes.Shape:
        return shapes.ramp(self.first, self.last, seconds)


class Steps(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="steps", tag_field="kind"):
    rates: tuple[float, ...]

    def build(self, seconds: float) -> shapes.Shape:
        return shapes.steps(self.rates, seconds)


class Spike(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="spike", tag_field="kind"):
    rate: float
    peak: float
    at: float = 0.4
    share: float = 0.2

    def build(self, seconds: float) -> shapes.Shape:
        return shapes.spike(self.rate, self.peak, seconds, at=self.at, share=self.share)


class Soak(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="soak", tag_field="kind"):
    rate: float
    warmup: float = 0.1

    def build(self, seconds: float) -> shapes.Shape:
        return shapes.soak(self.rate, seconds, warmup=self.warmup)


ShapeFacts = Constant | Ramp | Steps | Spike | Soak
SHAPES: dict[str, type[ShapeFacts]] = {
    "constant": Constant,
    "ramp": Ramp,
    "steps": Steps,
    "spike": Spike,
    "soak": Soak,
}


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One load test.

    `duration` in seconds; `users` is the most requests under way at once (scheduled) or the number of users
    that wait between their requests (closed). `mix` gives weights to user classes ("PageUser") and single tasks
    ("PredictUser.forest"); empty is the users' own weights. `grace`: seconds granted to late requests after the end.
    """

    description: str
    duration: float
    users: int
    mode: Mode = "scheduled"
    shape: ShapeFacts | None = None
    arrivals: Arrivals = "poisson"
    mix: dict[str, float] = {}
    seed: int = 1
    processes: int = 1
    grace: float = 10.0
    slo: str = "slo.toml"
    name: str = ""


def loadtests_folder(root: Path) -> Path:
    return root / "loadtests"


def scenario_files(root: Path) -> list[Path]:
    return sorted((loadtests_folder(root) / "scenarios").glob("*.toml"))


def find_scenario(name: str | Path, root: Path) -> Path:
    """Return the file of a scenario given by name or by path. Raises CannotRun that lists the known names."""
    path = Path(name)
    if path.suffix == ".toml":
        if path.is_file():
            return path
        raise CannotRun(f"scenario file {path} does not exist; next: lab load --list")
    found = {file.stem: file for file in scenario_files(root)}
    if str(name) not in found:
        known = ", ".join(found) or "none"
        raise CannotRun(f"no scenario {str(name)!r}; there are: {known} (or give a .toml file)")
    return found[str(name)]


def read_scenario(path: Path) -> Scenario:
    """Read a scenario file. Raises CannotRun that names the file, the key, the value and the next step."""
    scenario = read_toml(path, Scenario)
    for wrong in contradictions(scenario):
        raise CannotRun(f"{path}: {wrong}")
    return msgspec.structs.replace(scenario, name=scenario.name or path.stem)


def contradictions(scenario: Scenario) -> list[str]:
    """Return what cannot be run in a scenario, each with the next step."""
    found = []
    for key, least in (("duration", 0), ("users", 0), ("processes", 0), ("grace", -1)):
        value = getattr(scenario, key)
        if not value > least:
            found.append(f"{key} = {value!r}; write a number {'above 0' if least == 0 else 'of 0 or more'}")
    if scenario.processes > max(scenario.users, 1):
        found.append(f"processes = {scenario.processes} for users = {scenario.users}; each process needs a user")
    if scenario.mode == "scheduled" and scenario.shape is None:
        found.append("mode = 'scheduled' without [shape]; add one, for example kind = 'constant' and rate = 50")
    if scenario.mode == "closed" and scenario.shape is not None:
        found.append("mode = 'closed' with [shape]; closed users set their own pace: leave one of the two out")
    for key, weight in scenario.mix.items():
        if not weight >= 0:
            found.append(f"mix.{key} = {weight!r}; write a weight of 0 or more")
    if scenario.mix and not sum(scenario.mix.values()) > 0:
        found.append("mix has no weight above 0; give one")
    if scenario.shape is not None and scenario.duration > 0:
        try:
            if scenario.shape.build(scenario.duration).requests < 1:
                found.append("shape offers less than one request; raise its rate or the duration")
        except ValueError as error:
            found.append(f"shape: {error}")
    return found


def adjusted(
    scenario: Scenario,
    *,
    users: int | None = None,
    duration: float | None = None,
    seed: int | None = None,
    processes: int | None = None,
    arrivals: Arrivals | None = None,
) -> Scenario:
    """Return the scenario with what the command line overrides. Raises CannotRun on what cannot be run."""
    wanted = {"users": users, "duration": duration, "seed": seed, "processes": processes, "arrivals": arrivals}
    result = msgspec.structs.replace(scenario, **{key: value for key, value in wanted.items() if value is not None})
    for wrong in contradictions(result):
        raise CannotRun(f"scenario {scenario.name}: {wrong}")
    return result


def schedule_shape(scenario: Scenario, rate: float | None = None) -> shapes.Shape | None:
    """Return the offered rate of a scheduled scenario, its peak scaled to `rate`; None for a closed one."""
    if scenario.shape is None:
        if rate is not None:
            raise CannotRun(f"scenario {scenario.name} is closed: --rate {rate:g} has no meaning; use --users")
        return None
    if rate is not None and not rate > 0:
        raise CannotRun(f"--rate {rate:g}; give a rate above 0 requests/s")
    shape = shapes.scaled(scenario.shape.build(scenario.duration), peak=rate)
    if shape.requests < 1:
        raise CannotRun(f"scenario {scenario.name} offers less than one request; raise --rate or --duration")
    return shape


def objectives_of(scenario: Scenario, path: Path, root: Path) -> Objectives:
    """Read the SLO file that a scenario names: beside its own file, else in loadtests/. Raises CannotRun."""
    places = [path.parent / scenario.slo, loadtests_folder(root) / scenario.slo]
    for place in places:
        if place.is_file():
            return read_objectives(place)
    raise CannotRun(f"{path}: slo = {scenario.slo!r}: no such file as {places[0]} or {places[1]}; correct the name")


def to_dict(scenario: Scenario) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(scenario)
    return facts
