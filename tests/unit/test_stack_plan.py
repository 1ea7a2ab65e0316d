"""The catalogue and what becomes of it."""

import re
from pathlib import Path

import pytest

from app.config import from_environment
from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack import catalogue
from labkit.stack.component import Component, Plan, load_plan, start_order
from labkit.stack.entry import Entry, Site, claims, needed_programs, rendered
from labkit.stack.obtain import SOURCES
from labkit.stack.obtain.program import Program, at_least, stated_version
from labkit.stack.ports import SPAN, port_base
from labkit.stack.profiles import PROFILES, chosen
from labkit.stack.setup import choose_edge, make_plan

ROOT = Path(__file__).parents[2]


def site(tmp_path: Path, edge: str = "traefik", profile: str = "stream", *more: str) -> Site:
    base, entries = 18000, catalogue.entries(edge, (profile, *more))
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


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("edge", ["traefik", "none"])
def test_every_entry_can_be_filled_in_and_ordered(tmp_path: Path, edge: str, profile: str) -> None:
    place = site(tmp_path, edge, profile)
    place.write_files()
    for entry in place.entries:
        for text in entry.once.command if entry.once else ():
            assert "{" not in place.fill(text, entry), entry.name
    plan = make_plan(place, edge, (profile,))
    start_order(plan.components)
    for component in plan.components:
        assert component.probes, component.name
        for text in (*component.command, *component.probes, *component.environment.values()):
            assert "{" not in text, f"{component.name}: {text}"


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("edge", ["traefik", "none"])
def test_no_port_is_used_twice_and_all_fit_into_the_span(edge: str, profile: str) -> None:
    there = catalogue.entries(edge, (profile,))
    names = {entry.name for entry in there}
    more = [make(number) for make in (catalogue.api, catalogue.worker) for number in range(1, catalogue.MOST + 1)]
    added = [entry for entry in (*more, catalogue.canary()) if entry.name not in names]
    ports = [port for _, port in claims((*there, *added), 0)]
    assert len(ports) == len(set(ports))
    assert max(ports) <= SPAN


def test_ports_are_those_of_the_contract(tmp_path: Path) -> None:
    assert site(tmp_path).ports == {
        "redis": 18079,
        "redis-jobs": 18078,
        "kafka": 18092,
        "kafka-controller": 18093,
        "worker-1": 18121,
        "api-1": 18001,
        "api-1-metrics": 18101,
        "api-2": 18002,
        "api-2-metrics": 18102,
        "edge": 18080,
        "edge-metrics": 18081,
        "prometheus": 18090,
        "alertmanager": 18098,
        "alerts": 18088,
        "collector": 18202,
        "gelf": 18201,
    }


def test_without_an_edge_one_replica_is_the_service(tmp_path: Path) -> None:
    facts = catalogue.addresses(site(tmp_path, "none"), "none")
    assert facts["service"] == "http://127.0.0.1:18001"
    assert facts["replicas"] == ["http://127.0.0.1:18001"]
    assert facts["edge"] == "none"


@pytest.mark.parametrize("profile", PROFILES)
def test_every_program_of_the_catalogue_has_a_source(profile: str) -> None:
    assert set(needed_programs(catalogue.entries("traefik", (profile,)))) <= set(SOURCES)


def test_core_has_no_kafka_and_asks_for_no_java(tmp_path: Path) -> None:
    place = site(tmp_path, profile="core")
    assert not {"java", "kafka"} & set(needed_programs(place.entries))
    (api,) = (part for part in make_plan(place, "traefik", ("core",)).components if part.name == "api-1")
    assert (api.environment["LAB_KAFKA"], api.environment["LAB_STORE_URL"]) == ("", "")
    facts = catalogue.addresses(place, "traefik")
    assert (facts["kafka"], facts["redis_jobs"], facts["workers"], facts["database"]) == (None, None, [], None)


@pytest.mark.parametrize(
    ("profile", "servers", "copies"),
    [
        ("stream", "127.0.0.1:18092", "1"),
        ("kafka-legacy", "127.0.0.1:18092", "1"),
        ("cluster", "127.0.0.1:18092,127.0.0.1:18094,127.0.0.1:18096", "3"),
    ],
)
def test_api_and_worker_are_told_of_every_broker_and_its_copies(
    tmp_path: Path, profile: str, servers: str, copies: str
) -> None:
    place = site(tmp_path, profile=profile)
    plan = make_plan(place, "traefik", (profile,))
    told = {part.name: part.environment for part in plan.components if part.name[:4] in ("api-", "work")}
    assert set(told) == {"api-1", "api-2", "worker-1"}
    for name, environment in told.items():
        assert (environment["LAB_KAFKA"], environment["LAB_KAFKA_REPLICATION"]) == (servers, copies), name
        assert environment["LAB_STORE_URL"] == "redis://127.0.0.1:18078/0", name
    assert told["worker-1"]["LAB_DATABASE_URL"] == f"sqlite:///{tmp_path}/data/feedback/feedback.db"
    assert plan.urls["kafka"] == servers


def test_what_our_services_are_told_are_settings_of_theirs(tmp_path: Path) -> None:
    for part in make_plan(site(tmp_path), "traefik", ("stream",)).components:
        if part.name.startswith(("api-", "worker-", "collector")):
            from_environment(part.environment)


@pytest.mark.parametrize("profile", ["stream", "cluster", "kafka-legacy"])
def test_no_file_of_kafka_names_an_address_or_folder_but_the_stacks_own(tmp_path: Path, profile: str) -> None:
    site(tmp_path, profile=profile).write_files()
    texts = [path.read_text() for path in (tmp_path / "run" / "kafka-config").iterdir()]
    assert texts
    for text in texts:
        settings = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
        assert "/var/lib" not in settings
        assert str(tmp_path) in settings
        for port in re.findall(r"127\.0\.0\.1:(\d+)", settings):
            assert 18089 <= int(port) <= 18097


def test_the_brokers_of_a_cluster_differ_in_number_and_agree_on_the_quorum(tmp_path: Path) -> None:
    site(tmp_path, profile="cluster").write_files()
    files = [tmp_path / "run" / "kafka-config" / f"kafka-{number}.properties" for number in (1, 2, 3)]
    facts = [dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line) for file in files]
    assert [fact["node.id"] for fact in facts] == ["1", "2", "3"]
    voters = "1@127.0.0.1:18093,2@127.0.0.1:18095,3@127.0.0.1:18097"
    assert {fact["controller.quorum.voters"] for fact in facts} == {voters}
    assert len({fact["log.dirs"] for fact in facts}) == 3


def test_profiles_exclude_each_other_and_unknown_ones_are_named() -> None:
    assert chosen(()) == chosen(("stream",)) == ("stream",)
    with pytest.raises(CannotRun, match="core and cluster exclude each other"):
        chosen(("core", "cluster"))
    with pytest.raises(CannotRun, match="no profile 'kafka'; there are: core, stream, cluster, kafka-legacy, search"):
        chosen(("kafka",))


def test_search_is_added_to_whichever_kafka_there_is() -> None:
    assert chosen(("search",)) == ("stream", "search")
    assert chosen(("search", "cluster")) == chosen(("cluster", "search")) == ("cluster", "search")
    assert chosen(("core", "search", "search")) == ("core", "search")
    with pytest.raises(CannotRun, match="stream and cluster exclude each other"):
        chosen(("stream", "search", "cluster"))


def test_scrape_targets_carry_the_replica_and_the_job(tmp_path: Path) -> None:
    targets = site(tmp_path).scrape_targets()
    assert targets["api"] == [
        {"targets": ["127.0.0.1:18101"], "labels": {"replica": "api-1"}},
        {"targets": ["127.0.0.1:18102"], "labels": {"replica": "api-2"}},
    ]
    assert targets["worker"] == [{"targets": ["127.0.0.1:18121"], "labels": {"replica": "worker-1"}}]
    assert targets["locust"] == [{"targets": ["127.0.0.1:18203"], "labels": {"replica": "locust"}}]
    assert set(targets) == {"api", "worker", "traefik", "collector", "locust", "alertmanager", "prometheus"}


def test_prometheus_scrapes_every_job_of_the_targets(tmp_path: Path) -> None:
    configured = (ROOT / "monitoring" / "prometheus" / "prometheus.yml").read_text()
    for job in site(tmp_path).scrape_targets():
        assert f"- job_name: {job}\n" in configured
        assert f"[targets/{job}.json]" in configured


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    plan = make_plan(site(tmp_path), "traefik", ("stream",))
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
        ('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment (build 17.0.15+6)', "17.0.15"),
        ('openjdk version "21" 2023-09-19\nOpenJDK Runtime Environment (build 21+35)', "21"),
        ('java version "1.8.0_402"', "1.8.0"),
        ("prometheus, version  (branch: , revision: unknown)\n  go version:       go1.26.8", ""),
    ],
)
def test_a_version_is_the_programs_own(text: str, version: str) -> None:
    assert stated_version(text) == version
