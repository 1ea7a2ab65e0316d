"""Rules and alerts: valid, tested one by one, naming only what exists; the tests of the rules notice a changed rule."""

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from grafana.generator.names import emitted
from labkit.home import Home
from labkit.prove.promql import comparisons, metric_names
from labkit.stack.obtain import alertmanager, prometheus

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "monitoring"
RULES = sorted((MONITORING / "prometheus" / "rules").glob("*.yml"))
TESTS = sorted((MONITORING / "prometheus" / "tests").glob("*.yml"))
HOME = Home(ROOT, ROOT / ".lab")
SUBJECTS = {
    "service", "edge", "availability", "latency", "saturation", "cache", "jobs", "telemetry", "monitoring"
}  # fmt: skip


def quiet(_text: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def promtool() -> Path:
    if prometheus.find_promtool(HOME) is None:
        prometheus.obtain(HOME, quiet)
    found = prometheus.find_promtool(HOME)
    assert found is not None, "Prometheus is there without its promtool; put promtool beside it or on PATH"
    return found


@pytest.fixture(scope="module")
def amtool() -> Path:
    if alertmanager.find_amtool(HOME) is None:
        alertmanager.obtain(HOME, quiet)
    found = alertmanager.find_amtool(HOME)
    assert found is not None, "Alertmanager is there without its amtool; put amtool beside it or on PATH"
    return found


def run(*command: str | Path) -> tuple[int, str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    return done.returncode, done.stdout + done.stderr


def rules(paths: Iterable[Path] = RULES) -> Iterator[dict[str, Any]]:
    for path in paths:
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            yield from group["rules"]


def cases() -> Iterator[dict[str, Any]]:
    for path in TESTS:
        yield from yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}
RECORDED = {rule["record"]: rule for rule in rules() if "record" in rule}


def test_prometheus_accepts_its_configuration_and_all_rules(promtool: Path) -> None:
    status, said = run(promtool, "check", "config", MONITORING / "prometheus" / "prometheus.yml")
    assert status == 0, said
    assert f"{len(RULES)} rule files found" in said


@pytest.mark.parametrize("file", TESTS, ids=lambda path: path.stem)
def test_the_rules_do_what_their_tests_say(promtool: Path, file: Path) -> None:
    status, said = run(promtool, "test", "rules", file)
    assert status == 0, said


class Mutation(NamedTuple):
    """A change of the kind that slips in, and the file of tests that must notice it."""

    rule: str
    old: str
    new: str
    test: str


MUTATIONS = {
    "a higher threshold": Mutation("alerts-slo", "ratio_rate1h) > 0.0144", "ratio_rate1h) > 0.02", "alerts-slo"),
    "a lower threshold": Mutation("alerts-slo", "ratio_rate30m) > 0.006", "ratio_rate30m) > 0.005", "alerts-slo"),
    "another window": Mutation("alerts-slo", "ratio_rate6h) > 0.06", "ratio_rate1h) > 0.06", "alerts-slo"),
    "a condition less": Mutation("alerts-slo", "and (slo:latency_errors:increase5m) > 30", "", "alerts-slo"),
    "a longer wait": Mutation("alerts-targets", "for: 20s", "for: 25s", "alerts-targets"),
    "a shorter wait": Mutation("alerts-queue", "for: 2m", "for: 115s", "alerts-queue"),
    "a target less": Mutation("alerts-saturation", "api|worker|collector", "worker|collector", "alerts-saturation"),
    "at the threshold": Mutation("alerts-telemetry", "increase5m) > 100", "increase5m) >= 100", "alerts-telemetry"),
    "a start is an outage": Mutation(
        "alerts-targets",
        '(job:targets_seen:bool{job="api"}) > 0',
        '(job:targets_down:ratio{job="api"}) > 0',
        "scenario-start",
    ),
    "a handful is a page": Mutation("alerts-slo", "increase5m) > 30", "increase5m) > 3", "scenario-few-requests"),
    "an older outage counts": Mutation("alerts-slo", "increase5m) > 30", "increase1h) > 30", "scenario-few-requests"),
    "a shorter recording": Mutation(
        "recording-slo", "errors:rate15s[6h])", "errors:rate15s[5h])", "recording-slo-days"
    ),
    "no edge": Mutation(
        "recording-service", "sum(rate(traefik_entrypoint_requests_total{", "sum(rate(none{", "recording-service"
    ),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_changed_rule_fails_its_test(promtool: Path, tmp_path: Path, mutation: str) -> None:
    """The control of the test above, on a copy."""
    rule, old, new, test = MUTATIONS[mutation]
    for folder in ("rules", "tests"):
        shutil.copytree(MONITORING / "prometheus" / folder, tmp_path / folder)
    changed = tmp_path / "rules" / f"{rule}.yml"
    text = changed.read_text(encoding="utf-8")
    assert old in text
    changed.write_text(text.replace(old, new), encoding="utf-8")
    status, said = run(promtool, "check", "rules", changed)
    assert status == 0, said
    status, said = run(promtool, "test", "rules", tmp_path / "tests" / f"{test}-test.yml")
    assert status != 0, said
    assert "FAILED" in said


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_is_seen_silent_then_firing_then_over(alert: str) -> None:
    seen = [
        (one["eval_time"], bool(one["exp_alerts"]))
        for case in cases()
        for one in case.get("alert_rule_test", ())
        if one["alertname"] == alert
    ]
    states = [fires for _, fires in seen]
    assert True in states
    if alert != "Watchdog":  # it has neither a before nor an after
        first = states.index(True)
        assert first > 0
        assert states[-1] is False
        earlier, fired = (seconds(at) for at, _ in seen[first - 1 : first + 1])
        assert fired - earlier <= (5 if fired < 3600 else 60), "silent one evaluation earlier"


def seconds(text: str) -> int:
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]]


@pytest.mark.parametrize("name", RECORDED)
def test_each_recorded_series_has_a_test_of_its_value(name: str) -> None:
    asked = [one for case in cases() for one in case.get("promql_expr_test", ())]
    assert any(name in metric_names(one["expr"]) and one["exp_samples"] for one in asked) or name in helped()


def helped() -> set[str]:
    """Return the recorded series that exist for another recorded one, whose test holds both."""
    return {"job:last_up:timestamp"}


def unknown(expression: str) -> set[str]:
    """Return the metrics that nobody emits, and the labels that none of the expression's metrics has."""
    known = emitted()
    labels, strangers = {"le"}, set()
    for name in metric_names(expression):
        bare = re.sub(r"_(bucket|sum|count)$", "", name)
        metric = known.get(name) or known.get(bare)
        if metric is None or (name not in known and metric.kind not in ("histogram", "summary")):
            strangers.add(name)
        else:
            labels |= metric.labels
    used = re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', expression)
    for listed in re.findall(r"\bby\s*\(([^)]*)\)", expression):
        used += re.findall(r"\w+", listed)
    return strangers | (set(used) - labels)


@pytest.mark.parametrize("rule", [*ALERTS, *RECORDED])
def test_each_expression_names_only_what_exists(rule: str) -> None:
    assert unknown((ALERTS.get(rule) or RECORDED[rule])["expr"]) == set()


def test_a_misspelt_metric_or_label_would_be_found() -> None:
    """The control: a letter more, a label of another metric, buckets of a counter."""
    assert unknown("sum by (route) (rate(http_requests_totals[1m]))") == {"http_requests_totals", "route"}
    assert unknown('http_requests_in_flight{tier="redis"} > 1') == {"tier"}
    assert unknown("rate(http_requests_total_bucket[1m])") == {"http_requests_total_bucket"}
    assert unknown("slo:availability_error:ratio_rate1h") == {"slo:availability_error:ratio_rate1h"}


def unconventional(expression: str) -> list[str]:
    """Return the parts of an alert's expression that are no `(recorded series) > number`."""
    if expression in ("vector(1)", 'absent(up{job="api"})'):
        return []
    parts = re.split(r"\s+and\s+", expression.strip())
    wrong = [part for part in parts if not re.fullmatch(r"\([a-z_0-9:]+(?:\{[^{}]*\})?\) > [0-9.]+", part)]
    read = comparisons(expression)
    return wrong + [one.value for one in read if one.bound is None or not metric_names(one.value) <= set(RECORDED)]


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_is_a_chain_of_recorded_series_above_a_number(alert: str) -> None:
    assert unconventional(ALERTS[alert]["expr"]) == []


def test_another_form_of_alert_would_be_found() -> None:
    """The control: a metric that is not recorded, a comparison with another series, no comparison."""
    assert unconventional("(http_requests_in_flight) > 1") == ["http_requests_in_flight"]
    assert unconventional("(service:requests:rate1m) > service:shed:rate1m") != []
    assert unconventional("service:requests:rate1m") != []


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_says_what_it_is_and_where_to_look(alert: str) -> None:
    labels, notes = ALERTS[alert]["labels"], ALERTS[alert]["annotations"]
    assert labels["severity"] in {"page", "ticket", "none"}
    assert labels["subject"] in SUBJECTS
    assert set(notes) == {"summary", "description", "runbook_url", "dashboard"}
    assert notes["runbook_url"] == f"monitoring/runbooks/{alert}.md"
    assert (ROOT / notes["runbook_url"]).is_file()
    assert (ROOT / "grafana" / "dashboards" / f"{notes['dashboard']}.json").is_file()
    assert "$value" in notes["description"] or alert in ("Watchdog", "NoServiceTargets")


def test_alertmanager_accepts_its_configuration(amtool: Path) -> None:
    status, said = run(amtool, "check-config", MONITORING / "alertmanager" / "alertmanager.yml")
    assert status == 0, said


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (("alertname=ServiceDown", "severity=page"), "lab"),
        (("alertname=ReplicaDown", "severity=ticket"), "lab"),
        (("alertname=Watchdog", "severity=none"), "lab"),
        (("alertname=SomeNote", "severity=none"), "nobody"),
        (("alertname=WithoutSeverity",), "lab"),
    ],
)
def test_alerts_go_where_their_severity_says(amtool: Path, labels: tuple[str, ...], receiver: str) -> None:
    file = MONITORING / "alertmanager" / "alertmanager.yml"
    command = [amtool, "config", "routes", "test", f"--config.file={file}", *labels]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == [receiver]
