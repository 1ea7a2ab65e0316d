"""The load by which panels are judged: after a rest, low, high and low again."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.loadgen import drive
from labkit.loadgen.scenario import find_scenario, read_scenario, schedule_shape
from labkit.marks import marks
from labkit.prove.phases import phases_of
from labkit.urls import Urls

MOST_FAILED = 0.001


def put_load(
    home: Home,
    urls: Urls,
    scenario: str,
    rate: float | None,
    duration: float | None,
    settle: float,
    say: Callable[[str], None],
) -> Path:
    """Wait until the last load is forgotten, run the scenario and return the run's folder. Raises CannotRun."""
    chosen = read_scenario(find_scenario(scenario, home.root))
    length = duration or chosen.duration
    shape = schedule_shape(chosen, rate)
    if shape is None or len(shape.segments) != 3:
        raise CannotRun(f"scenario {scenario} has not three steps; next: lab prove dashboards --scenario prove")
    steps = [[length / 3, part.first, part.last] for part in shape.segments]
    planned = {"id": "planned", "started": 0.0, "scenario": {"segments": steps}}
    phases = phases_of(planned, settle)  # what cannot be judged is told before the load, not after it
    rest = settle + (phases.idle.end - phases.idle.start)
    began = time.time()
    last = max(
        (mark.time for mark in marks(home, began - rest, began) if mark.kind in ("run-start", "run-end")), default=0
    )
    pause = max(phases.idle.end - phases.idle.start, last + rest - began)
    say(f"idle for {pause:.0f} s, then {length:.0f} s of load")
    time.sleep(pause)
    return drive(scenario, urls, home=home, rate=rate, duration=duration)


def facts_of(folder: Path) -> dict[str, Any]:
    """Return run.json of a run. Raises CannotRun."""
    try:
        facts: dict[str, Any] = msgspec.json.decode((folder / "run.json").read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise CannotRun(f"{folder}: no finished run ({error}); next: lab prove dashboards") from error
    return facts


def disturbances(folder: Path) -> list[str]:
    """Return what makes a run's verdicts doubtful: a generator that was late, requests that were not served."""
    generator = msgspec.json.decode((folder / "generator.json").read_bytes())
    entries = msgspec.json.decode((folder / "requests.json").read_bytes())["entries"]
    sent, failed = (sum(entry[name] for entry in entries) for name in ("sent", "failed"))
    found = list(generator["reasons"])
    if failed > MOST_FAILED * sent:
        found.append(f"{failed} of {sent} requests failed; next: stop other programs, or a lower --rate")
    return found
