"""What watches the others, in the catalogue: metrics, alerts, logs."""

import re
from pathlib import Path

import pytest
import yaml

from app.config import from_environment
from labkit.stack import catalogue
from labkit.stack.setup import make_plan
from tests.unit.test_stack_plan import ROOT, site


def test_core_has_alerts_and_no_logs(tmp_path: Path) -> None:
    place = site(tmp_path, profile="core")
    facts = catalogue.addresses(place, "traefik")
    assert facts["alertmanager"] == "http://127.0.0.1:18098"
    assert facts["alerts"] == f"{tmp_path}/data/alerts/notifications.jsonl"
    assert {facts[name] for name in ("logs", "gelf", "collector_metrics", "elasticsearch")} == {None}
    (api,) = (part for part in make_plan(place, "traefik", ("core",)).components if part.name == "api-1")
    assert api.environment["LAB_GELF_URL"] == ""
    from_environment(api.environment)


@pytest.mark.parametrize(
    ("profiles", "logs", "settings"),
    [
        (("stream",), "sqlite:///{data}/logs", {"LAB_LOGS_DIR": "{data}/logs"}),
        (("cluster",), "sqlite:///{data}/logs", {"LAB_LOGS_DIR": "{data}/logs"}),
        (("stream", "search"), "http://127.0.0.1:18099", {"LAB_ELASTICSEARCH_URL": "http://127.0.0.1:18099"}),
        (("core", "search"), "http://127.0.0.1:18099", {"LAB_ELASTICSEARCH_URL": "http://127.0.0.1:18099"}),
    ],
)
def test_logs_go_to_the_collector_and_from_it_into_one_store(
    tmp_path: Path, profiles: tuple[str, ...], logs: str, settings: dict[str, str]
) -> None:
    plan = make_plan(site(tmp_path, "traefik", *profiles), "traefik", profiles)
    told = {part.name: part.environment for part in plan.components}
    assert plan.urls["logs"] == logs.format(data=tmp_path / "data")
    assert plan.urls["elasticsearch"] == settings.get("LAB_ELASTICSEARCH_URL")
    stores = {name: value for name, value in told["collector"].items() if "LOGS" in name or "ELASTIC" in name}
    assert stores == {name: value.format(data=tmp_path / "data") for name, value in settings.items()}
    assert told["collector"]["LAB_FOLLOW_FILE"] == f"{tmp_path}/logs/traefik-access.log"
    senders = [name for name in told if name.startswith(("api-", "worker-"))]
    assert {told[name]["LAB_GELF_URL"] for name in senders} == {"udp://127.0.0.1:18201"} == {plan.urls["gelf"]}


def test_nothing_that_serves_waits_for_what_watches_it(tmp_path: Path) -> None:
    for profiles in (("stream",), ("stream", "search")):
        plan = make_plan(site(tmp_path, "traefik", *profiles), "traefik", profiles)
        for part in plan.components:
            watching = {"prometheus", "alertmanager", "alerts", "collector", "elasticsearch"} & set(part.needs)
            assert watching == ({"elasticsearch"} & watching if part.name == "collector" else set()), part.name


def test_what_sends_is_stopped_before_what_receives(tmp_path: Path) -> None:
    parts = {part.name: part for part in make_plan(site(tmp_path), "traefik", ("stream",)).components}
    for name in ("api-1", "api-2", "worker-1", "traefik"):
        assert parts[name].before == ("collector",)
    assert (parts["prometheus"].before, parts["alertmanager"].before) == (("alertmanager",), ("alerts",))
    core = {part.name: part for part in make_plan(site(tmp_path, profile="core"), "traefik", ("core",)).components}
    assert core["api-1"].before == (), "what is not there is not waited for"


def test_the_rules_are_copied_beside_the_configuration_that_names_them(tmp_path: Path) -> None:
    site(tmp_path).write_files()
    written = sorted((ROOT / "monitoring" / "prometheus" / "rules").glob("*.yml"))
    assert written
    for source in written:
        assert (tmp_path / "run" / "prometheus" / "rules" / source.name).read_text() == source.read_text()
    assert "rule_files: [rules/*.yml]\n" in (tmp_path / "run" / "prometheus" / "prometheus.yml").read_text()


def test_a_students_targets_are_read_from_beside_those_of_the_stack_and_left_alone(tmp_path: Path) -> None:
    stack = site(tmp_path)
    stack.write_files()
    jobs = yaml.safe_load((tmp_path / "run" / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    (work,) = (job for job in jobs if job["job_name"] == "work")
    (pattern,) = work["file_sd_configs"][0]["files"]
    own = tmp_path / "run" / "prometheus" / pattern.replace("*", "06")
    own.write_text("- targets: ['127.0.0.1:18361']\n")
    stack.write_targets()
    assert own.read_text() == "- targets: ['127.0.0.1:18361']\n"
    assert [path.name for path in own.parent.glob(Path(pattern).name)] == [own.name], "no target of the stack's own"


def test_alertmanager_is_told_of_the_receiver_of_this_stack(tmp_path: Path) -> None:
    site(tmp_path).write_files()
    text = (tmp_path / "run" / "alertmanager" / "alertmanager.yml").read_text()
    assert re.findall(r'url: "([^"]+)"', text) == ["http://127.0.0.1:18088/webhook"]
