"""Scenario and SLO files: what is wrong in one is told with file, key, value and next step."""

from pathlib import Path

import pytest

from labkit.errors import CannotRun
from labkit.loadgen.scenario import (
    adjusted,
    find_scenario,
    objectives_of,
    read_scenario,
    scenario_files,
    schedule_shape,
)
from labkit.loadgen.slo import read_objectives

ROOT = Path(__file__).parents[2]
GOOD = 'description = "d"\nduration = 10\nusers = 5\n[shape]\nkind = "constant"\nrate = 10\n'


def test_every_shipped_scenario_can_be_run_and_names_its_objectives() -> None:
    files = scenario_files(ROOT)
    assert {file.stem for file in files} >= {
        "smoke",
        "demo",
        "ramp",
        "steps",
        "spike",
        "soak",
        "forest-capacity",
        "closed",
    }
    for file in files:
        scenario = read_scenario(file)
        shape = schedule_shape(scenario)
        assert (shape is None) == (scenario.mode == "closed")
        assert objectives_of(scenario, file, ROOT).objective


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD.replace("rate = 10", "rte = 10"), ["shape", "rate"]),
        (GOOD.replace("users = 5", "users = 5\nuser = 6"), ["unknown key user = 6", "allowed here", "users"]),
        (GOOD.replace("duration = 10", 'duration = "10s"'), ["duration = '10s'", "correct that value"]),
        (GOOD.replace("duration = 10\n", ""), ["missing key duration", "add it"]),
        (GOOD.replace('"constant"', '"sinus"'), ["shape.kind = 'sinus'"]),
        (GOOD.replace("duration = 10", "duration = -1"), ["duration = -1", "above 0"]),
        (GOOD.replace("users = 5", "users = 1\nprocesses = 2"), ["processes = 2", "each process needs a user"]),
        (GOOD.replace("users = 5", 'users = 5\nmode = "closed"'), ["closed", "leave one of the two out"]),
        (GOOD.split("[shape]", maxsplit=1)[0], ["without [shape]", "add one"]),
        (GOOD.replace("rate = 10", "rate = 0.01"), ["less than one request"]),
        (GOOD.replace("rate = 10", "rate = -3"), ["shape", "-3"]),
        (GOOD + "[mix]\nPageUser = -1\n", ["mix.PageUser = -1"]),
        ("duration = = 3", ["not TOML", "line 1"]),
    ],
)
def test_a_wrong_scenario_is_told_with_file_key_value_and_next_step(tmp_path: Path, text: str, told: list[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(CannotRun) as caught:
        read_scenario(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message.strip()
    for part in told:
        assert part in message


def test_the_command_line_overrides_but_not_into_nonsense(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    scenario = adjusted(read_scenario(path), users=9, duration=20, seed=4)
    assert (scenario.users, scenario.duration, scenario.seed, scenario.name) == (9, 20, 4, "mine")
    shape = schedule_shape(scenario, rate=30)
    assert shape is not None
    assert shape.requests == pytest.approx(600)
    for wrong in ({"users": 0}, {"duration": 0.0}, {"processes": 10}):
        with pytest.raises(CannotRun, match="scenario mine"):
            adjusted(scenario, **wrong)  # type: ignore[arg-type]  # each is one of the parameters
    with pytest.raises(CannotRun, match="--rate 0"):
        schedule_shape(scenario, rate=0)


def test_an_unknown_scenario_lists_the_known_ones() -> None:
    with pytest.raises(CannotRun, match=r"no scenario 'smok'.*smoke"):
        find_scenario("smok", ROOT)


def test_a_missing_slo_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace("users = 5", 'users = 5\nslo = "strict.toml"'))
    with pytest.raises(CannotRun, match=r"slo = 'strict.toml'.*correct the name"):
        objectives_of(read_scenario(path), path, ROOT)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('kind = "response-time"\nlimit = 1\nunit = "ms"', "percentile = None"),
        ('kind = "response-time"\nlimit = 1\nunit = "%"\npercentile = 99', "write 'ms'"),
        ('kind = "error-ratio"\nlimit = 101\nunit = "%"', "limit = 101"),
        ('kind = "error-ratio"\nlimit = 1\nunit = "%"\npercentile = 5', "leave it out"),
        ('kind = "achieved-rate"\nlimit = 99\nunit = "%"\nroute = "/"', "leave method and route out"),
        ('kind = "latency"\nlimit = 1\nunit = "ms"', "objective[0].kind = 'latency'"),
    ],
)
def test_a_wrong_objective_is_told(tmp_path: Path, body: str, told: str) -> None:
    path = tmp_path / "slo.toml"
    path.write_text(f'[[objective]]\nname = "a"\n{body}\n')
    with pytest.raises(CannotRun) as caught:
        read_objectives(path)
    assert told in str(caught.value)
    assert str(path) in str(caught.value)


def test_an_objective_selects_by_method_and_route() -> None:
    predict, *_ = read_objectives(ROOT / "loadtests" / "slo.toml").objective
    assert predict.selects("POST", "/predict")
    assert not predict.selects("POST", "/models/{model}/predict")
    assert not predict.selects("GET", "/predict")
    assert not predict.at_least
