"""The catalogue of metrics: well-formed names, closed sets, the same buckets everywhere."""

import ast
import re
from pathlib import Path

import pytest

from app.telemetry import catalogue
from app.telemetry.catalogue import BY_NAME, CATALOGUE, LATENCY_BUCKETS, Kind, Metric
from tests.sample_rows import ROWS, tensor

ROOT = Path(__file__).parents[2]
UNITS = ("_seconds", "_bytes", "_ratio")
# Names that others rely on (DESIGN), as far as the service has the feature.
PROMISED = {
    "http_requests_total": ("method", "route", "status"),
    "http_request_duration_seconds": ("method", "route"),
    "http_requests_in_flight": (),
    "http_requests_shed_total": ("reason",),
    "predictions_total": ("model", "version", "outcome"),
    "prediction_labels_total": ("model", "version", "label"),
    "prediction_score": ("model",),
    "model_inference_seconds": ("model", "version"),
    "model_batch_size": ("model",),
    "cache_requests_total": ("tier", "outcome"),
    "log_records_total": ("sink", "outcome"),
}


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_a_metric_is_named_as_prometheus_recommends(metric: Metric):
    """Source: prometheus.io/docs/practices/naming."""
    assert re.fullmatch(r"[a-z][a-z0-9_]*", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert not metric.name.endswith(("_count", "_sum", "_bucket", "_info", "_created"))
    assert not re.search(r"_(milliseconds|ms|minutes|kilobytes|percent)(_|$)", metric.name)
    assert metric.help.endswith(".")
    for label in metric.labels:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", label)
        assert label not in {"le", "quantile", "job", "instance"}
    assert len(set(metric.labels)) == len(metric.labels)


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_only_histograms_have_buckets_and_theirs_rise(metric: Metric):
    assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
    assert list(metric.buckets) == sorted(set(metric.buckets))


def test_no_name_is_listed_twice():
    assert len(BY_NAME) == len(CATALOGUE)


def test_the_names_that_others_rely_on_are_there_with_their_labels():
    assert {name: BY_NAME[name].labels for name in PROMISED} == PROMISED


def test_every_name_in_the_code_is_listed():
    """What the services ask for by name; a wrong name would only fail once its line runs."""
    asked = {}
    for path in (ROOT / "app").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in {"counter", "histogram", "gauge"}
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                asked[node.args[0].value] = node.func.attr
    assert len(asked) >= 10
    for name, kind in asked.items():
        assert BY_NAME[name].kind == kind, name
    assert set(asked) == set(BY_NAME), "listed, but never emitted"


def test_a_running_service_shows_the_listed_metrics_and_no_others(service):
    for model in ROWS:
        service.post(f"/v2/models/{model}/infer", {"inputs": [tensor(model)]})
    known = {
        f"{metric.name}{suffix}"
        for metric in CATALOGUE
        for suffix in (("_bucket", "_count", "_sum") if metric.kind is Kind.HISTOGRAM else ("",))
    }
    shown = {sample.name for sample in service.settled().samples}
    assert {name for name in shown if not name.startswith(("process_", "python_"))} == known


def test_labels_are_closed_sets(service):
    """Every label value shown is one that the code or an artefact chose; none came from a client."""
    for path in ("/no/such/page", "/models/oak", "/predict?x=1"):
        service.get(path)
    models = {entry["name"]: entry for entry in service.get("/models").json()["models"]}
    templates = set(service.get("/openapi.json").json()["paths"]) | {"/", "/openapi.json", "other"}
    closed = {
        "model": set(models),
        "version": {one["version"] for entry in models.values() for one in entry["versions"]},
        "label": {label for entry in models.values() for label in entry["labels"]},
        "route": templates,
        "reason": set(catalogue.SHED_REASONS),
        "tier": set(catalogue.CACHE_TIERS),
        "sink": {"stdout"},
        "method": {"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "OTHER"},
    }
    outcomes = {
        "predictions_total": catalogue.PREDICTION_OUTCOMES,
        "cache_requests_total": catalogue.CACHE_OUTCOMES,
        "log_records_total": catalogue.LOG_OUTCOMES,
    }
    for sample in service.scrape().samples:
        if sample.name == "python_info":
            continue
        for label, value in sample.labels.items():
            if label in closed:
                assert value in closed[label], sample
            if label == "outcome":
                assert value in outcomes[sample.name], sample
            if label == "status":
                assert re.fullmatch("[1-5][0-9][0-9]", value), sample


def test_the_edge_has_the_same_latency_buckets():
    text = (ROOT / "traefik" / "traefik.yml").read_text()
    (found,) = re.findall(r"buckets: \[([^\]]+)\]", text)
    assert tuple(float(bound) for bound in found.split(",")) == LATENCY_BUCKETS
