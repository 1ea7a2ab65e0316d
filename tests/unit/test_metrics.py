"""Metrics of one process, held against prometheus_client's own."""

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.telemetry.catalogue import CATALOGUE, LATENCY_BUCKETS, Kind
from app.telemetry.metrics import Metrics, UnknownMetric
from app.telemetry.model_meter import ModelMeter
from tests.service import Scrape


def scrape(metrics: Metrics) -> Scrape:
    return Scrape(metrics.exposition().decode())


@given(st.lists(st.floats(0, 20) | st.sampled_from(LATENCY_BUCKETS), max_size=50))
def test_a_histogram_shows_what_prometheus_client_would(values):
    metrics, registry = Metrics(), prometheus_client.CollectorRegistry()
    ours = metrics.histogram("http_request_duration_seconds", "GET", "/")
    theirs = prometheus_client.Histogram(
        "http_request_duration_seconds", "-", ["method", "route"], buckets=LATENCY_BUCKETS, registry=registry
    ).labels("GET", "/")
    for value in values:
        ours.observe(value)
        theirs.observe(value)
    wanted = Scrape(prometheus_client.generate_latest(registry).decode())
    found = scrape(metrics)

    def shown(of: Scrape) -> dict[tuple[str, float], float]:
        names = {"http_request_duration_seconds_bucket", "http_request_duration_seconds_count"}
        return {(one.name, float(one.labels.get("le", 0))): one.value for one in of.samples if one.name in names}

    assert shown(found) == shown(wanted)
    assert found.total("http_request_duration_seconds_sum") == pytest.approx(sum(values))


def test_a_counter_counts_each_series_for_itself():
    metrics = Metrics()
    metrics.counter("http_requests_total", "GET", "/", "200").add(2)
    metrics.counter("http_requests_total", "GET", "/", "404").add()
    metrics.counter("http_requests_total", "GET", "/", "200").add()
    found = scrape(metrics)
    assert found.total("http_requests_total", status="200") == 3
    assert found.total("http_requests_total") == 4


def test_a_gauge_is_read_at_the_scrape():
    metrics, waiting = Metrics(), [1.0, 7.0]
    metrics.gauge("model_queue_rows", waiting.pop, "forest", "v1")
    assert [scrape(metrics).total("model_queue_rows", model="forest") for _ in range(2)] == [7, 1]


@pytest.mark.parametrize(
    "ask",
    [
        lambda metrics: metrics.counter("surprises_total"),
        lambda metrics: metrics.counter("http_requests_total", "GET"),
        lambda metrics: metrics.counter("http_requests_total", "GET", "/", "200", "more"),
        lambda metrics: metrics.counter("prediction_score", "iris"),
        lambda metrics: metrics.histogram("http_requests_total", "GET", "/", "200"),
        lambda metrics: metrics.gauge("predictions_total", lambda: 1.0, "iris", "v1", "computed"),
    ],
)
def test_what_the_catalogue_does_not_list_cannot_be_emitted(ask):
    with pytest.raises(UnknownMetric, match="the catalogue has"):
        ask(Metrics())


def test_label_values_are_escaped():
    metrics = Metrics()
    metrics.counter("http_requests_shed_total", 'a"b\\c\nd').add()
    assert scrape(metrics).total("http_requests_shed_total", reason='a"b\\c\nd') == 1


def test_the_process_itself_is_shown():
    found = scrape(Metrics())
    assert found.total("process_resident_memory_bytes") > 1e6
    assert found.total("process_cpu_seconds_total") > 0
    assert found.total("process_start_time_seconds") > 1e9


def test_a_label_is_counted_by_its_display_name_from_the_start():
    metrics = Metrics()
    meter = ModelMeter(metrics, "iris", "v1", ("setosa", "versicolor"), text=False)
    assert scrape(metrics).total("prediction_labels_total") == 0
    assert len([one for one in scrape(metrics).samples if one.name == "prediction_labels_total"]) == 2
    meter.answered([0, 1, 1], None, cached="")
    meter.answered([1], None, cached="process")
    found = scrape(metrics)
    assert found.total("prediction_labels_total", label="setosa") == 1
    assert found.total("prediction_labels_total", label="versicolor") == 3
    assert found.total("predictions_total", outcome="computed") == 3
    assert found.total("predictions_total", outcome="cached") == 1


def test_scores_of_a_text_model_are_observed():
    metrics = Metrics()
    ModelMeter(metrics, "mood", "v1", ("bad", "good"), text=True).answered(["good", "bad"], [0.9, 0.2], cached="")
    found = scrape(metrics)
    assert found.total("prediction_score_count", model="mood") == 2
    assert found.total("prediction_score_sum", model="mood") == pytest.approx(1.1)


def test_every_listed_metric_can_be_emitted_and_is_shown_under_its_name():
    metrics = Metrics()
    for metric in CATALOGUE:
        labels = ["x"] * len(metric.labels)
        match metric.kind:
            case Kind.COUNTER:
                metrics.counter(metric.name, *labels).add()
            case Kind.GAUGE:
                metrics.gauge(metric.name, lambda: 1.0, *labels)
            case Kind.HISTOGRAM:
                metrics.histogram(metric.name, *labels).observe(0.1)
    found = scrape(metrics)
    for metric in CATALOGUE:
        name = f"{metric.name}_count" if metric.kind is Kind.HISTOGRAM else metric.name
        assert found.total(name) == 1, metric.name
