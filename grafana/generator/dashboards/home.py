"""Where a reader starts: is all well, and which dashboard tells more."""

from grafana.generator.board import Board, row
from grafana.generator.dashboards.objectives import ERROR_SHARE, SLOW_S
from grafana.generator.panels import Query, bad_below, bad_from, fact, graph
from grafana.generator.promql import LOAD, grown, or_zero, quantile, rate, series, total

LOST = 'outcome=~"dropped|failed"'

BOARD = Board(
    "home",
    "Home",
    "The most important figures of each dashboard; the arrow of a panel leads there. Green means nothing to do.",
    (
        row(
            "For users",
            fact(
                "Requests",
                "Requests a second, counted at the edge where there is one. Zero without load is no fault.",
                "reqps",
                Query(or_zero(total("service:requests:rate1m")), "requests"),
                opens="service",
            ),
            fact(
                "Failed",
                "Share of the answers of the last minute that are 5xx. Red from the objective on: open Service.",
                "percentunit",
                Query(or_zero(total("service:errors:ratio_rate1m")), "failed"),
                steps=bad_from(ERROR_SHARE, ERROR_SHARE / 2),
                decimals=2,
                opens="service",
            ),
            fact(
                "Slowest route, p99",
                "The highest p99 of all routes in the last minute. Red above the objective: open Service, Duration.",
                "s",
                Query(total("route:latency:p99_1m", LOAD, of="max"), "p99"),
                steps=bad_from(SLOW_S, SLOW_S / 2),
                opens="service",
            ),
            fact(
                "Availability budget left",
                "What is left of three days' error budget. Orange below a quarter: no risky changes; below zero the"
                " promise is broken.",
                "percentunit",
                Query(series("slo:availability_budget:remaining"), "left"),
                steps=bad_below(0.25, 0),
                decimals=1,
                opens="slo",
            ),
            fact(
                "Latency budget left",
                "What is left of three days' budget of slow answers. Orange below a quarter, red when it is overdrawn.",
                "percentunit",
                Query(series("slo:latency_budget:remaining"), "left"),
                steps=bad_below(0.25, 0),
                decimals=1,
                opens="slo",
            ),
            fact(
                "Alerts firing",
                "Alerts that fire now, the ever-firing Watchdog left out. Each has a runbook in monitoring/runbooks.",
                "short",
                Query(or_zero(total("ALERTS", 'alertstate="firing"', 'alertname!="Watchdog"', of="count")), "firing"),
                steps=bad_from(1),
                opens="slo",
            ),
        ),
        row(
            "Behind it",
            fact(
                "Parts up",
                "Share of the targets that answer their scrape; the load generator is not counted, it comes and goes.",
                "percentunit",
                Query(total("up", 'job!="locust"', of="avg"), "up"),
                steps=bad_below(1, 0.5),
                opens="saturation",
            ),
            fact(
                "Shed",
                "Requests refused a second so that the others stay fast. More than none: the service is saturated.",
                "reqps",
                Query(or_zero(rate("http_requests_shed_total")), "shed"),
                steps=bad_from(1, 0.01),
                opens="saturation",
            ),
            fact(
                "Jobs waiting",
                "Messages behind the ends of their partitions. A number that only grows: the workers are too few.",
                "short",
                Query(or_zero(total("worker:lag:sum")), "lag"),
                steps=bad_from(1000, 100),
                opens="pipeline",
            ),
            fact(
                "Predictions",
                "Rows predicted a second, by api and workers together; a request or a job carries one or many.",
                "rowsps",
                Query(or_zero(rate("predictions_total")), "rows"),
                opens="models",
            ),
            fact(
                "Load offered",
                "What the load generator intends to send a second; zero while none runs.",
                "reqps",
                Query(or_zero(total("locust_offered_requests_per_second")), "offered"),
                opens="load",
            ),
            fact(
                "Log records lost",
                "Records dropped by a full buffer or refused by a socket, in the time shown. Logs are then not"
                " complete: open Saturation, Logs.",
                "short",
                Query(or_zero(grown("log_records_total", LOST)), "lost"),
                steps=bad_from(1),
                opens="logs",
            ),
        ),
        row(
            "The last minutes",
            graph(
                "Requests: edge, service, load",
                "What was to be sent, what arrived and what was answered: lines that part tell where requests wait"
                " or vanish.",
                "reqps",
                Query(or_zero(total("service:requests:rate1m")), "at the edge"),
                Query(or_zero(rate("http_requests_total", LOAD)), "in the replicas"),
                Query(or_zero(total("locust_offered_requests_per_second")), "offered"),
                width=12,
            ),
            graph(
                "Service time",
                "p50 and p99 of all requests; the dashed line is the objective. Both rise: saturation; p99 alone:"
                " something waits.",
                "s",
                Query(quantile(0.5, "http_request_duration_seconds", LOAD), "p50"),
                Query(quantile(0.99, "http_request_duration_seconds", LOAD), "p99"),
                width=12,
                steps=bad_from(SLOW_S),
            ),
        ),
    ),
)
