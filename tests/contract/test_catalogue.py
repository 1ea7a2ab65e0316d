"""The catalogue of metrics: well-formed names, closed sets, the same buckets everywhere."""

import ast
import re
from pathlib import Path

import pytest

from app.core.topics import TOPICS
from app.telemetry import catalogue
from app.telemetry.catalogue import BY_NAME, CATALOGUE, LATENCY_BUCKETS, Kind, Metric
from labkit.loadgen.buckets import LATENCY_BUCKETS as GENERATOR_BUCKETS
from tests.job_service import KEYS, keys_file
from tests.sample_rows import IRIS, ROWS, tensor
from tests.service import free_ports, running_service

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
    "jobs_submitted_total": ("model",),
    "jobs_finished_total": ("model", "outcome"),
    "job_wait_seconds": (),
    "feedback_total": ("model", "verdict"),
    "log_records_total": ("sink", "outcome"),
    "service_info": ("release",),
}
# Always 1: what is to be known stands in the labels.
FACTS = {"service_info"}
# What only a worker counts: the api knows nothing of it.
OF_THE_WORKER = {
    "jobs_finished_total",
    "job_wait_seconds",
    "job_processing_seconds",
    "messages_consumed_total",
    "messages_retried_total",
    "dead_letters_total",
    "consumer_lag_records",
    "feedback_total",
}
OF_THE_COLLECTOR = {
    "gelf_received_total",
    "gelf_rejected_total",
    "gelf_socket_drops_total",
    "log_documents_total",
    "log_store_retries_total",
    "log_store_write_seconds",
    "log_store_bytes",
    "collector_queue_records",
}


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """A service with all its parts; Kafka and store are named, but away."""
    folder = tmp_path_factory.mktemp("complete")
    kafka, store = free_ports(2)
    settings = {"kafka": f"127.0.0.1:{kafka}", "store_url": f"redis://127.0.0.1:{store}"}
    with running_service(folder, api_keys_file=keys_file(folder), **settings) as running:
        yield running


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_a_metric_is_named_as_prometheus_recommends(metric: Metric):
    """Source: prometheus.io/docs/practices/naming."""
    assert re.fullmatch(r"[a-z][a-z0-9_]*", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert not metric.name.endswith(("_count", "_sum", "_bucket", "_created"))
    assert metric.name.endswith("_info") == (metric.name in FACTS)
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


def test_a_running_service_shows_the_listed_metrics_and_no_others(complete):
    for model in ROWS:
        complete.post(f"/v2/models/{model}/infer", {"inputs": [tensor(model)]})
    known = {
        f"{metric.name}{suffix}"
        for metric in CATALOGUE
        if metric.name not in OF_THE_WORKER | OF_THE_COLLECTOR
        for suffix in (("_bucket", "_count", "_sum") if metric.kind is Kind.HISTOGRAM else ("",))
    }
    shown = {sample.name for sample in complete.settled().samples}
    assert {name for name in shown if not name.startswith(("process_", "python_"))} == known


def test_labels_are_closed_sets(complete):
    """Every label value shown is one that the code or an artefact chose; none came from a client."""
    for path in ("/no/such/page", "/models/oak", "/predict?x=1", "/jobs/oak", "/jobs/../x", "/jobs"):
        for key in ("", KEYS["ana"], "key-of-oak"):
            complete.get(path, {"X-API-Key": key})
            complete.post(path, {"model": "oak", "data": []}, {"X-API-Key": key, "Idempotency-Key": "oak"})
    complete.post("/jobs", {"model": "iris", "data": IRIS}, {"X-API-Key": KEYS["ana"]})
    models = {entry["name"]: entry for entry in complete.get("/models").json()["models"]}
    templates = set(complete.get("/openapi.json").json()["paths"]) | {"/", "/openapi.json", "other"}
    closed = {
        "model": set(models),
        "version": {one["version"] for entry in models.values() for one in entry["versions"]},
        "label": {label for entry in models.values() for label in entry["labels"]},
        "route": templates,
        "reason": set(catalogue.SHED_REASONS),
        "topic": {topic.name for topic in TOPICS},
        "tier": set(catalogue.CACHE_TIERS),
        "sink": set(catalogue.LOG_SINKS),
        "method": {"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "OTHER"},
    }
    outcomes = {
        "predictions_total": catalogue.PREDICTION_OUTCOMES,
        "cache_requests_total": catalogue.CACHE_OUTCOMES,
        "log_records_total": catalogue.LOG_OUTCOMES,
        "messages_published_total": catalogue.PUBLISH_OUTCOMES,
    }
    for sample in complete.scrape().samples:
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


def test_the_load_generator_has_the_same_latency_buckets():
    assert GENERATOR_BUCKETS == LATENCY_BUCKETS
