"""The committed dashboards: what the generator makes, naming only what exists, each panel able to explain itself."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from app.telemetry.catalogue import LATENCY_BUCKETS
from grafana.generator import __main__ as generator
from grafana.generator import names, promql
from grafana.generator.dashboards import models, objectives
from grafana.generator.names import UnknownName
from labkit.home import Home
from labkit.stack.obtain import SOURCES
from labkit.stack.obtain.prometheus import find_promtool

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "grafana" / "dashboards"
UIDS = {"home", "service", "saturation", "models", "pipeline", "edge", "load", "slo", "logs"}
TYPES = {"timeseries", "stat", "gauge", "bargauge", "table", "heatmap", "logs", "barchart"}
# What a query may hold besides the variables of its dashboard.
WORDS = {"$__rate_interval": "20s", "$__interval": "5s", "$__range": "1800s"}
# Functions and words of PromQL that our expressions use.
LANGUAGE = {
    "sum", "avg", "max", "min", "count", "by", "on", "or", "rate", "increase", "histogram_quantile", "vector",
    "label_replace",
}  # fmt: skip
# Fields of a record in Elasticsearch that hold one value out of few, or are listed.
FIELDS = {
    "timestamp", "host", "level", "event", "message", "request_id", "method", "route", "path", "status",
    "duration_us", "model", "model_version",
}  # fmt: skip


class Asked(NamedTuple):
    """One expression of one panel, its variables replaced."""

    where: str
    expr: str


def dashboards() -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[Asked]:
    for uid, dashboard in dashboards().items():
        words = WORDS | {f"${one['name']}": one.get("allValue", "") for one in dashboard["templating"]["list"]}
        for panel in panels(dashboard):
            for target in panel["targets"]:
                if "expr" in target:
                    expr = target["expr"]
                    for word, text in words.items():
                        expr = expr.replace(word, text)
                    yield Asked(f"{uid} {panel['id']} {target['refId']}", expr)


def unknown(expression: str) -> set[str]:
    """Return the words of an expression that are no metric, no label of one of its metrics and no PromQL.

    Reads the text alone, by other means than the generator's: the two must agree.
    """
    bare = re.sub(r'"[^"]*"', "", expression)
    words = set(re.findall(r"(?<![\w.:])[A-Za-z_][\w:]*", re.sub(r"\[\d+s\]", "", bare))) - LANGUAGE
    found: set[str] = set()
    for word in words:
        metric = names.emitted().get(word)
        part = re.match(r"(\w+)_(bucket|sum|count)$", word)
        if metric is None and part and (base := names.emitted().get(part[1])) and base.kind == "histogram":
            metric = names.Emitted("part", base.labels | ({"le"} if part[2] == "bucket" else set()))
        if metric is not None and metric.kind != "histogram":
            found |= {word, *metric.labels}
    return words - found


def test_the_committed_files_are_what_the_generator_makes(capsys: pytest.CaptureFixture[str]) -> None:
    assert generator.main(["--check"]) == 0, capsys.readouterr().out
    assert {path.stem for path in FOLDER.glob("*.json")} == UIDS


def test_a_file_that_differs_lacks_or_remains_is_found_and_put_right(tmp_path: Path) -> None:
    """The control, and the way back."""
    arguments = ["--folder", str(tmp_path)]
    assert generator.main([*arguments, "--check"]) == 1
    assert generator.main(arguments) == 0
    assert generator.main([*arguments, "--check"]) == 0
    (tmp_path / "slo.json").write_text("{}")
    (tmp_path / "stale.json").write_text("{}")
    assert generator.main([*arguments, "--check"]) == 1
    assert generator.main(arguments) == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in FOLDER.glob("*.json")
    }


def test_an_unknown_metric_or_label_cannot_be_written() -> None:
    with pytest.raises(UnknownName, match="nobody emits http_requests_totals"):
        promql.rate("http_requests_totals")
    with pytest.raises(UnknownName, match="http_requests_total has no label code; it has"):
        promql.rate("http_requests_total", by="route, code")
    with pytest.raises(UnknownName, match="has no label color"):
        promql.rate("http_requests_total", 'color="blue"')
    with pytest.raises(UnknownName, match="is a counter; here goes a histogram"):
        promql.quantile(0.99, "http_requests_total")


def test_a_metric_that_leaves_the_catalogue_stops_the_generator(tmp_path: Path) -> None:
    program = (
        "import sys; from app.telemetry import catalogue;"
        "catalogue.CATALOGUE = [one for one in catalogue.CATALOGUE if one.name != sys.argv[1]];"
        "from grafana.generator.__main__ import main; sys.exit(main(['--folder', sys.argv[2]]))"
    )

    def made_without(metric: str) -> tuple[int, str]:
        command = [sys.executable, "-c", program, metric, str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stderr

    code, said = made_without("feedback_total")
    assert code == 2
    assert "nobody emits feedback_total; next:" in said
    assert list(tmp_path.iterdir()) == []
    assert made_without("none of them") == (0, "")


def test_each_expression_names_only_what_is_emitted() -> None:
    found = {asked.where: unknown(asked.expr) for asked in expressions()}
    assert len(found) > 200
    assert {where: words for where, words in found.items() if words} == {}


def test_a_misspelt_metric_or_label_would_be_found() -> None:
    """The control of the test above."""
    assert unknown("sum by (code) (rate(http_requests_totals[20s]))") == {"http_requests_totals", "code"}
    assert unknown("sum by (tier) (http_requests_in_flight)") == {"tier"}
    assert unknown("rate(http_requests_total_bucket[20s])") == {"http_requests_total_bucket"}
    assert unknown("slo:availability_budget:left") == {"slo:availability_budget:left"}


def test_prometheus_reads_every_expression(tmp_path: Path) -> None:
    """As recording rules, because promtool checks those without a server."""
    home = Home(ROOT, ROOT / ".lab")
    if SOURCES["prometheus"].find(home) is None:
        SOURCES["prometheus"].obtain(home, lambda _: None)
    promtool = find_promtool(home)
    if promtool is None:
        pytest.skip("the Prometheus of this machine came without promtool")

    def refused(*asked: Asked) -> str:
        rules = [{"record": f"panel:{number}", "expr": one.expr} for number, one in enumerate(asked)]
        (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
        command = [promtool, "check", "rules", "rules.yml"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        return done.stderr if done.returncode else ""

    assert refused(*expressions()) == ""
    assert "could not parse expression" in refused(Asked("the control", "sum by (route (up)"))


@pytest.mark.parametrize("uid", sorted(UIDS))
def test_a_dashboard_can_be_found_linked_and_told_apart(uid: str) -> None:
    dashboard = dashboards()[uid]
    ids = [panel["id"] for panel in dashboard["panels"]]
    titles = [panel["title"] for panel in panels(dashboard)]
    assert dashboard["uid"] == uid
    assert "id" not in dashboard
    assert len(ids) == len(set(ids))
    assert len(titles) == len(set(titles))
    assert dashboard["description"]
    assert dashboard["tags"] == dashboard["links"][0]["tags"]
    assert [mark["target"]["tags"] for mark in dashboard["annotations"]["list"]] == [["load"]]


@pytest.mark.parametrize("uid", sorted(UIDS))
def test_no_panel_lies_on_another_or_leaves_the_grid(uid: str) -> None:
    places = [panel["gridPos"] for panel in dashboards()[uid]["panels"]]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 for place in places)
    assert not [(one, other) for one, other in combinations(places, 2) if overlap(one, other)]
    assert overlap({"x": 0, "y": 0, "w": 8, "h": 8}, {"x": 7, "y": 7, "w": 8, "h": 8})


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(
        one[at] < other[at] + other[size] and other[at] < one[at] + one[size] for at, size in (("x", "w"), ("y", "h"))
    )


@pytest.mark.parametrize("uid", sorted(UIDS))
def test_each_panel_says_what_it_shows_in_which_unit(uid: str) -> None:
    for panel in panels(dashboards()[uid]):
        assert panel["type"] in TYPES
        assert len(panel["description"]) >= 60, f"{panel['title']}: how is it read, what is to be done?"
        assert panel["fieldConfig"]["defaults"]["unit"]
        explained(panel)


def explained(panel: dict[str, Any]) -> None:
    assert panel["targets"]
    for target in panel["targets"]:
        source = {"prometheus": "prometheus", "elasticsearch": "logs"}[target["datasource"]["type"]]
        assert target["datasource"] == panel["datasource"]
        assert target["datasource"]["uid"] == source
        if source == "prometheus":
            assert target["legendFormat"]
            assert target["instant"] != target["range"]
            assert not re.search(r"(rate|increase)\([^()]*\[(?!\$__rate_interval|\$__range)", target["expr"])
    legends = [target.get("legendFormat", target["refId"]) for target in panel["targets"]]
    assert len(legends) == len(set(legends))


def test_links_lead_to_dashboards_that_exist() -> None:
    links = [
        link["url"]
        for dashboard in dashboards().values()
        for panel in panels(dashboard)
        for link in panel.get("links", ())
    ]
    assert {re.fullmatch(r"/d/(\w+)\?\$\{__url_time_range\}", url)[1] for url in links} >= {"service", "slo", "logs"}  # type: ignore[index]  # a link that does not match is the failure
    assert {re.split(r"[/?]", url)[2] for url in links} <= UIDS


def test_questions_of_logs_use_fields_that_a_record_has() -> None:
    targets = [target for panel in panels(dashboards()["logs"]) for target in panel["targets"]]
    grouped = {group["field"] for target in targets for group in target["bucketAggs"]}
    asked = {
        field for target in targets for field in re.findall(r"(\w+):", target["query"].replace("${query:raw}", ""))
    }
    listed = {
        name
        for panel in panels(dashboards()["logs"])
        for step in panel.get("transformations", ())
        for name in step["options"].get("include", {}).get("names", ())
    }
    assert grouped | asked | listed <= FIELDS
    assert {"timestamp", "event", "route"} <= grouped
    assert {target["timeField"] for target in targets} == {"timestamp"}
    assert all("${query:raw}" in target["query"] for target in targets)


def test_jobs_in_matchers_are_those_that_prometheus_scrapes() -> None:
    config = yaml.safe_load((ROOT / "monitoring/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    scraped = {job["job_name"] for job in config["scrape_configs"]}
    variables = [str(one["query"]) for board in dashboards().values() for one in board["templating"]["list"]]
    named = set(re.findall(r'\bjob!?="([^"]*)"', " ".join([*(asked.expr for asked in expressions()), *variables])))
    assert named <= scraped
    assert "api" in named


def test_thresholds_are_the_promises_that_the_rules_record() -> None:
    rules = (ROOT / "monitoring/prometheus/rules/recording-slo.yml").read_text(encoding="utf-8")
    recorded = re.findall(r"slo:(\w+)_errors:ratio_rate3d / ([\d.]+)", rules)
    assert {promise: float(share) for promise, share in recorded} == {
        "availability": objectives.ERROR_SHARE,
        "latency": objectives.SLOW_SHARE,
    }
    assert f'le="{objectives.SLOW_S}"' in (ROOT / "monitoring/prometheus/rules/recording-service.yml").read_text()
    assert objectives.SLOW_S in LATENCY_BUCKETS


def test_bars_of_scores_cover_zero_to_one_and_turn_where_the_labels_do() -> None:
    bounds = list(models.BARS.values())
    assert bounds[0][0] == 0
    assert bounds[-1][1] == 1
    assert all(one[1] == other[0] for one, other in pairwise(bounds))
    assert {models.NEUTRAL, models.POSITIVE} <= {upper for _, upper in bounds}


def test_grafana_is_given_the_data_sources_and_the_folder_of_dashboards() -> None:
    provisioning = ROOT / "grafana" / "provisioning"
    sources = yaml.safe_load((provisioning / "datasources/lab.yml").read_text(encoding="utf-8"))["datasources"]
    assert {(source["uid"], source["type"]) for source in sources} == {
        ("prometheus", "prometheus"),
        ("logs", "elasticsearch"),
    }
    assert {source["url"] for source in sources} == {"$LAB_PROMETHEUS_URL", "$LAB_ELASTICSEARCH_URL"}
    logs = next(source["jsonData"] for source in sources if source["uid"] == "logs")
    assert (logs["index"], logs["timeField"]) == ("lab-logs*", "timestamp")
    (provider,) = yaml.safe_load((provisioning / "dashboards/lab.yml").read_text(encoding="utf-8"))["providers"]
    path = provider["options"]["path"].replace("$LAB_GRAFANA_DASHBOARDS", str(FOLDER))
    assert {file.stem for file in Path(path).glob("*.json")} == UIDS
    assert {one["datasource"]["uid"] for board in dashboards().values() for one in panels(board)} == {
        source["uid"] for source in sources
    }
