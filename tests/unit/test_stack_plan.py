"""The catalogue and what becomes of it."""

from pathlib import Path

import pytest

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack import catalogue
from labkit.stack.component import Component, Plan, load_plan, start_order
from labkit.stack.entry import Entry, Site, claims, needed_programs, rendered
from labkit.stack.obtain import SOURCES
from labkit.stack.obtain.program import Program, at_least, stated_version
from labkit.stack.ports import SPAN, port_base
from labkit.stack.setup import choose_edge, make_plan

ROOT = Path(__file__).parents[2]


def site(tmp_path: Path, edge: str = "traefik", base: int = 18000) -> Site:
    entries = catalogue.entries(edge)
    names = ["python", *needed_programs(entries)]
    return Site(Home(ROOT, tmp_path), base, entries, {n: Program(n, f"/opt/{n}", "1.0", "test") for n in names})


def part(name: str, *needs: str) -> Component:
    return Component(name, ("true",), needs=needs)


def test_independent_components_share_a_level_and_others_wait_for_what_they_need() -> None:
    levels = start_order([part("edge", "a", "b"), part("a", "store"), part("store"), part("b", "store"), part("x")])
    assert [{c.name for c in level} for level in levels] == [{"store", "x"}, {"a", "b"}, {"edge"}]


@pytest.mark.parametrize(
    ("parts", "fact"),
    [
        ([part("a", "b"), part("b", "a")], "circle: a, b"),
        ([part("a", "ghost")], "a needs ghost"),
        ([part("a"), part("a")], "a is in the catalogue twice"),
    ],
)
def test_an_impossible_order_is_named(parts: list[Component], fact: str) -> None:
    with pytest.raises(ValueError, match=fact):
        start_order(parts)


@pytest.mark.parametrize("edge", ["traefik", "none"])
def test_every_entry_can_be_filled_in_and_ordered(tmp_path: Path, edge: str) -> None:
    plan = make_plan(site(tmp_path, edge), edge)
    start_order(plan.components)
    for component in plan.components:
        assert component.probes, component.name
        for text in (*component.command, *component.probes, *component.environment.values()):
            assert "{" not in text, f"{component.name}: {text}"


@pytest.mark.parametrize("edge", ["traefik", "none"])
def test_no_port_is_used_twice_and_all_fit_into_the_span(edge: str) -> None:
    ports = [port for _, port in claims(catalogue.entries(edge), 0)]
    assert len(ports) == len(set(ports))
    assert max(ports) <= SPAN


def test_ports_are_those_of_the_contract(tmp_path: Path) -> None:
    assert site(tmp_path).ports == {
        "redis": 18079,
        "api-1": 18001,
        "api-1-metrics": 18101,
        "api-2": 18002,
        "api-2-metrics": 18102,
        "edge": 18080,
        "edge-metrics": 18081,
        "prometheus": 18090,
    }


def test_without_an_edge_one_replica_is_the_service(tmp_path: Path) -> None:
    facts = catalogue.addresses(site(tmp_path, "none"), "none")
    assert facts["service"] == "http://127.0.0.1:18001"
    assert facts["replicas"] == ["http://127.0.0.1:18001"]
    assert facts["edge"] == "none"


def test_every_program_of_the_catalogue_has_a_source() -> None:
    assert set(needed_programs(catalogue.entries("traefik"))) <= set(SOURCES)


def test_scrape_targets_carry_the_replica_and_the_job(tmp_path: Path) -> None:
    targets = site(tmp_path).scrape_targets()
    assert targets["api"] == [
        {"targets": ["127.0.0.1:18101"], "labels": {"replica": "api-1"}},
        {"targets": ["127.0.0.1:18102"], "labels": {"replica": "api-2"}},
    ]
    assert set(targets) == {"api", "traefik", "prometheus"}


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    plan = make_plan(site(tmp_path), "traefik")
    plan.save(tmp_path / "plan.json")
    assert load_plan(tmp_path / "plan.json") == plan
    assert isinstance(plan, Plan)


def test_a_placeholder_that_is_gone_from_a_template_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("address: :8080\n")
    assert rendered(tmp_path / "a.yml", {":8080": "x"}) == "address: x\n"
    with pytest.raises(ValueError, match="occurs 0 times"):
        rendered(tmp_path / "a.yml", {":9090": "x"})


def test_a_folder_name_with_braces_is_left_alone(tmp_path: Path) -> None:
    odd = tmp_path / "{name} of {port}"
    entry = Entry("redis", "redis-server", ("{program}", "{run}"), {}, ())
    place = Site(Home(ROOT, odd), 18000, (entry,), {"redis-server": Program("r", "/r", "1", "t")})
    assert place.component(entry).command == ("/r", f"{odd}/run")


@pytest.mark.parametrize("text", ["abc", "80", "1023", "65535", "-18000", "18000.5", "１８０００"])
def test_a_wrong_port_base_is_refused_with_its_value(text: str) -> None:
    with pytest.raises(CannotRun, match="LAB_PORT_BASE is"):
        port_base({"LAB_PORT_BASE": text})


def test_the_port_base_has_a_default_and_can_be_moved() -> None:
    assert port_base({}) == port_base({"LAB_PORT_BASE": ""}) == 18000
    assert port_base({"LAB_PORT_BASE": "19000"}) == 19000


def test_a_wrong_edge_is_refused_with_its_value(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="EDGE is 'nginx'"):
        choose_edge(Home(ROOT, tmp_path), {"EDGE": "nginx"})
    assert choose_edge(Home(ROOT, tmp_path), {"EDGE": "none"}) == "none"


def test_versions_compare_as_numbers() -> None:
    assert at_least("2.100.0", (2, 42))
    assert at_least("2.42.0", (2, 42))
    assert not at_least("2.5.1", (2, 42))
    assert not at_least("", (0,))


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", "7.0.15"),
        ("Version:      3.7.15\nCodename:     langres\nGo version:   go1.26.9", "3.7.15"),
        ("prometheus, version 2.42.0+ds (branch: debian/sid)\n  go version:       go1.19.8", "2.42.0"),
        ("prometheus, version  (branch: , revision: unknown)\n  go version:       go1.26.8", ""),
    ],
)
def test_a_version_is_the_programs_own(text: str, version: str) -> None:
    assert stated_version(text) == version
