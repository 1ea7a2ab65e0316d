"""What the report asks Prometheus, as data; R in a query stands for the rate window, W for the whole run."""

from typing import NamedTuple

# Routes that probes use: they are nobody's load.
PROBES = ("/metrics", "/healthz", "/readyz")
_LOAD = 'route!~"{}"'.format("|".join(PROBES))
# Traefik's own entry points (metrics, ping, dashboard) carry no load either.
_EDGE = 'entrypoint!~"metrics|traefik|ping|internal"'


class Query(NamedTuple):
    """One PromQL expression; `of` names the labels that tell its series apart."""

    promql: str
    of: tuple[str, ...] = ()


def _quantile(q: float, metric: str, by: str, matching: str = "", window: str = "R") -> str:
    return f"histogram_quantile({q}, sum by ({by}) (rate({metric}_bucket{{{matching}}}[{window}])))"


_SERVICE = "http_request_duration_seconds"
_TRAEFIK = "traefik_service_request_duration_seconds"

# Asked every step over the run.
OVER_TIME: dict[str, Query] = {
    "rate": Query(f"sum by (instance) (rate(http_requests_total{{{_LOAD}}}[R]))", ("instance",)),
    "p50": Query(_quantile(0.5, _SERVICE, "le", _LOAD)),
    "p99": Query(_quantile(0.99, _SERVICE, "le", _LOAD)),
    "p50_replica": Query(_quantile(0.5, _SERVICE, "le, instance", _LOAD), ("instance",)),
    "p99_replica": Query(_quantile(0.99, _SERVICE, "le, instance", _LOAD), ("instance",)),
    "in_flight": Query("sum by (instance) (http_requests_in_flight)", ("instance",)),
    "cpu": Query("sum by (job, instance) (rate(process_cpu_seconds_total[R]))", ("job", "instance")),
    "memory": Query("sum by (job, instance) (process_resident_memory_bytes)", ("job", "instance")),
    "cache": Query(
        'sum by (tier, outcome) (rate(cache_requests_total{outcome=~"hit|miss|error"}[R]))', ("tier", "outcome")
    ),
    "batch": Query(
        "sum by (model) (rate(model_batch_size_sum[R])) / sum by (model) (rate(model_batch_size_count[R]) > 0)",
        ("model",),
    ),
    "shed": Query("sum by (reason) (rate(http_requests_shed_total[R]))", ("reason",)),
    "edge_rate": Query("sum by (code) (rate(traefik_service_requests_total[R]))", ("code",)),
    "lag": Query('sum by (partition) (consumer_lag_records{topic="jobs"})', ("partition",)),
    "edge_p50": Query(_quantile(0.5, _TRAEFIK, "le")),
    "edge_p99": Query(_quantile(0.99, _TRAEFIK, "le")),
}

# Asked once, over the whole run.
WHOLE_RUN: dict[str, Query] = {
    "p50_replica": Query(_quantile(0.5, _SERVICE, "le, instance", _LOAD, "W"), ("instance",)),
    "p99_replica": Query(_quantile(0.99, _SERVICE, "le, instance", _LOAD, "W"), ("instance",)),
    "p99": Query(_quantile(0.99, _SERVICE, "le", _LOAD, "W")),
    "p50": Query(_quantile(0.5, _SERVICE, "le", _LOAD, "W")),
    # What a replica that ended had counted when it was last seen.
    "requests_peak": Query(
        "max by (instance, method, route, status) (max_over_time(http_requests_total[W]))",
        ("instance", "method", "route", "status"),
    ),
}

# Counters, read before the first and after the last request and subtracted.
COUNTED: dict[str, Query] = {
    "requests": Query(
        "sum by (instance, method, route, status) (http_requests_total)",
        ("instance", "method", "route", "status"),
    ),
    "cache": Query("sum by (tier, outcome) (cache_requests_total)", ("tier", "outcome")),
    "batch_sum": Query("sum by (model) (model_batch_size_sum)", ("model",)),
    "batch_count": Query("sum by (model) (model_batch_size_count)", ("model",)),
    "shed": Query("sum by (reason) (http_requests_shed_total)", ("reason",)),
    "edge": Query(f"sum by (code) (traefik_entrypoint_requests_total{{{_EDGE}}})", ("code",)),
    "edge_retries": Query("sum (traefik_service_retries_total)"),
}
