"""The plan of a stack with other replicas: what changes, and what must go on as it is."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack import catalogue
from labkit.stack.amended import amended, replicas_of, workers_of
from labkit.stack.change import differences
from labkit.stack.component import Component, Plan, load_plan, same_process, start_order
from labkit.stack.edge import FILE, document, write_replicas
from labkit.stack.entry import Site, needed_programs
from labkit.stack.obtain.program import Program
from labkit.stack.setup import make_plan

ROOT = Path(__file__).parents[2]
BASE = 41000


class Place:
    """A stack that does not run: its plan, and what it would be."""

    def __init__(self, folder: Path, *profiles: str) -> None:
        entries = catalogue.entries("traefik", profiles)
        self.home = Home(ROOT, folder)
        self.programs = {
            name: Program(name, f"/opt/{name}", "1", "test") for name in ["python", *needed_programs(entries)]
        }
        self.plan = make_plan(Site(self.home, BASE, entries, self.programs), "traefik", profiles)

    def after(self, plan: Plan, **wanted: str) -> Plan:
        named = {name.replace("_", "-"): release for name, release in wanted.items()}
        return amended(plan, self.home, self.programs, named, workers_of(plan))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, "stream")


def part(plan: Plan, name: str) -> Component:
    return next(one for one in plan.components if one.name == name)


def restarted(before: Plan, after: Plan) -> set[str]:
    """Return whose process the supervisor would end: what is gone, and what is another one."""
    wanted = {one.name: one for one in after.components}
    return {one.name for one in before.components if not same_process(one, wanted.get(one.name))}


def test_a_replica_more_restarts_nothing_and_everybody_hears_of_it(place: Place) -> None:
    after = place.after(place.plan, api_1="dev", api_2="dev", api_3="dev")
    assert replicas_of(after) == dict.fromkeys(("api-1", "api-2", "api-3"), "dev")
    assert restarted(place.plan, after) == set()
    assert set(differences(place.plan, after)) == {"api-3", "traefik", "prometheus"}
    assert "api-3" in part(after, "traefik").needs, "it stops after the edge"
    assert any(address.endswith('#"3"') for address in part(after, "prometheus").probes)
    assert len(after.urls["replicas"]) == len(after.urls["metrics"]) == 3
    start_order(after.components)


def test_fewer_replicas_end_those_alone(place: Place) -> None:
    after = place.after(place.plan, api_1="dev")
    assert restarted(place.plan, after) == {"api-2"}
    assert "api-2" not in part(after, "traefik").needs
    start_order(after.components)


def test_another_release_ends_the_one_replica_that_gets_it(place: Place) -> None:
    after = place.after(place.plan, api_1="dev", api_2="2")
    assert restarted(place.plan, after) == {"api-2"}
    assert part(after, "api-2").environment["LAB_RELEASE"] == "2"
    assert restarted(after, place.after(after, api_1="dev", api_2="2")) == set(), "the same again is no change"


def test_the_canary_is_no_replica_and_counts(place: Place) -> None:
    after = place.after(place.plan, api_1="dev", api_2="dev", api_canary="2")
    assert restarted(place.plan, after) == set()
    assert part(after, "api-canary").environment["LAB_CANARY"] == "forest:v2=100"
    assert part(after, "api-1").environment["LAB_CANARY"] == ""
    assert len(after.urls["replicas"]) == 2
    assert len(after.urls["metrics"]) == 3


def test_what_was_killed_stays_away_and_workers_stay(place: Place) -> None:
    parts = tuple(replace(one, held=one.name == "api-2") for one in place.plan.components)
    held = amended(replace(place.plan, components=parts), place.home, place.programs, {"api-1": "2", "api-2": "dev"}, 3)
    assert part(held, "api-2").held
    assert workers_of(held) == 3
    assert restarted(place.plan, held) == {"api-1"}


def test_the_plan_remembers_release_and_weight(place: Place, tmp_path: Path) -> None:
    plan = replace(place.after(place.plan, api_1="7"), release="7", previous="dev", weight=30)
    plan.save(tmp_path / "plan.json")
    again = load_plan(tmp_path / "plan.json")
    assert (again.release, again.previous, again.weight) == ("7", "dev", 30)
    assert replicas_of(again) == {"api-1": "7"}


def test_a_port_in_use_is_named_before_anything_changes(place: Place) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", BASE + 3))
        other.listen()
        with pytest.raises(CannotRun, match=f"port {BASE + 3} \\(api-3\\) is taken"):
            place.after(place.plan, api_1="dev", api_2="dev", api_3="dev")


def test_the_edges_file_is_written_only_when_it_says_something_else(tmp_path: Path) -> None:
    assert write_replicas(tmp_path, ["http://a:1"], [], 0)
    assert not write_replicas(tmp_path, ["http://a:1"], [], 0)
    assert write_replicas(tmp_path, ["http://a:1"], ["http://b:2"], 10)
    assert [path.name for path in (tmp_path / FILE).parent.iterdir()] == ["replicas.yml"]
    assert document(["http://a:1"], ["http://b:2"], 0) == document(["http://a:1"], [], 10)
