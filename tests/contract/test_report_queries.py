"""The report asks only for metrics that the service emits, by labels that they have."""

import re

import pytest

from app.telemetry.catalogue import BY_NAME, Kind
from labkit.report.queries import COUNTED, OVER_TIME, PROBES, WHOLE_RUN, Query

QUERIES = [(name, query) for asked in (OVER_TIME, WHOLE_RUN, COUNTED) for name, query in asked.items()]
# What others emit: Prometheus's client library, Traefik, and the labels that a scrape adds.
FOREIGN_METRICS = ("process_", "traefik_")
SCRAPE_LABELS = {"instance", "job", "le", "code", "entrypoint"}
WORDS = {"sum", "max", "max_over_time", "by", "rate", "histogram_quantile", "R", "W"}


def unknown(query: Query) -> set[str]:
    """Return the words of a query that are no metric, no label of its metric and no PromQL."""
    bare = re.sub(r'"[^"]*"', "", query.promql)
    words = set(re.findall(r"[A-Za-z_]\w*", bare)) - WORDS - SCRAPE_LABELS
    known = set()
    for word in words:
        name = re.sub(r"_(bucket|sum|count)$", "", word)
        metric = BY_NAME.get(word) or BY_NAME.get(name)
        if metric is not None and (word == metric.name or metric.kind is Kind.HISTOGRAM):
            known |= {word, *metric.labels}
    return {word for word in words - known if not word.startswith(FOREIGN_METRICS)}


@pytest.mark.parametrize(("name", "query"), QUERIES, ids=[name for name, _ in QUERIES])
def test_each_query_names_only_what_is_emitted(name: str, query: Query) -> None:
    assert unknown(query) == set()


def test_a_misspelt_metric_or_label_would_be_found() -> None:
    """The control: one letter more in a metric, a label that the metric does not have, buckets of a counter."""
    assert unknown(Query("sum by (route) (rate(http_requests_totals[R]))")) == {"http_requests_totals", "route"}
    assert unknown(Query("sum by (tier) (http_requests_in_flight)")) == {"tier"}
    assert unknown(Query("rate(http_requests_total_bucket[R])")) == {"http_requests_total_bucket"}


def test_probe_routes_are_left_out_of_every_request_rate() -> None:
    for name in ("rate", "p50", "p99", "p50_replica", "p99_replica"):
        assert all(route in OVER_TIME[name].promql for route in PROBES)
