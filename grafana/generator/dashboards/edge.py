"""The edge as Traefik sees it: what clients get, and how the replicas look from outside."""

from grafana.generator.board import Board, row
from grafana.generator.dashboards.objectives import ERROR_SHARE, SLOW_S
from grafana.generator.panels import Query, bad_below, bad_from, fact, graph, heat
from grafana.generator.promql import LOAD, buckets, or_zero, quantile, rate, share, total

REQUESTS, DURATION = "traefik_entrypoint_requests_total", "traefik_entrypoint_request_duration_seconds"
# Traefik's own entry points (metrics, ping, dashboard) carry no load.
WEB = 'entrypoint!~"metrics|traefik|ping|internal"'
BEHIND = "traefik_service_request_duration_seconds"
ITSELF = 'job="traefik"'
FAILED = 'code=~"5.."'
SLOW = bad_from(SLOW_S, SLOW_S / 2)

BOARD = Board(
    "edge",
    "Edge",
    "Traefik, in front of the replicas. What clients get is here; where it differs from"
    " Service, the edge made the difference.",
    (
        row(
            "Now",
            fact(
                "Requests",
                "Requests a second at the entry point, answered by a replica or by the edge itself.",
                "reqps",
                Query(or_zero(rate(REQUESTS, WEB)), "requests"),
            ),
            fact(
                "Failed",
                "Share of 5xx. 502 and 504 come from the edge itself: no replica took the request or answered in time.",
                "percentunit",
                Query(share(rate(REQUESTS, WEB, FAILED), rate(REQUESTS, WEB)), "failed"),
                steps=bad_from(ERROR_SHARE, ERROR_SHARE / 2),
                decimals=2,
            ),
            fact(
                "p99",
                "One request in a hundred takes longer, the edge included. Red above the objective: see Duration"
                " for whose time it is.",
                "s",
                Query(quantile(0.99, DURATION, WEB), "p99"),
                steps=SLOW,
            ),
            fact(
                "Replicas in use",
                "Replicas that the edge's health check lets in. Orange with one: the next fault is an outage.",
                "short",
                Query(total("traefik_service_server_up"), "in use"),
                steps=bad_below(2, 1),
            ),
            fact(
                "Retries",
                "Requests a second that a replica did not accept and another got. Harmless while few: a replica has"
                " just gone.",
                "reqps",
                Query(or_zero(rate("traefik_service_retries_total")), "retries"),
                steps=bad_from(10, 1),
            ),
            fact(
                "Open connections",
                "Connections from clients at this moment. More than users: clients do not reuse them.",
                "short",
                Query(total("traefik_open_connections", WEB), "open"),
            ),
        ),
        row(
            "Rate",
            graph(
                "Answers by code",
                "What clients get. 404 without a route in Service never reached a replica.",
                "reqps",
                Query(rate(REQUESTS, WEB, by="code"), "{{code}}"),
                stacked=True,
            ),
            graph(
                "Requests by method",
                "GET asks, POST computes: a change of the mix explains a change of the mean duration.",
                "reqps",
                Query(rate(REQUESTS, WEB, by="method"), "{{method}}"),
                stacked=True,
            ),
            graph(
                "Edge and service count alike",
                "Requests at the edge, and answers that the replicas counted. Apart for long: somebody goes around"
                " the edge, or requests die in between.",
                "reqps",
                Query(or_zero(rate(REQUESTS, WEB)), "edge"),
                Query(or_zero(rate("http_requests_total", LOAD)), "replicas"),
            ),
        ),
        row(
            "Duration",
            graph(
                "p50, p95, p99",
                "From the first byte at the edge to the last. The dashed line is the objective.",
                "s",
                Query(quantile(0.5, DURATION, WEB), "p50"),
                Query(quantile(0.95, DURATION, WEB), "p95"),
                Query(quantile(0.99, DURATION, WEB), "p99"),
                steps=bad_from(SLOW_S),
            ),
            graph(
                "p99 at the edge, behind it, in the service",
                "Edge above behind: the edge is busy. Behind above service: requests wait for the replica's process"
                " before it reads them.",
                "s",
                Query(quantile(0.99, DURATION, WEB), "edge"),
                Query(quantile(0.99, BEHIND), "behind the edge"),
                Query(quantile(0.99, "http_request_duration_seconds", LOAD), "service"),
            ),
            heat(
                "Distribution",
                "Requests by duration at the edge, darker is more. A second band above the first is a queue, a"
                " retry or a slow replica.",
                "s",
                Query(buckets(DURATION, WEB), "{{le}}"),
            ),
        ),
        row(
            "Replicas",
            graph(
                "In use",
                "1: the health check lets the replica in; 0: it is out and gets no requests.",
                "short",
                Query(total("traefik_service_server_up", by="url", of="max"), "{{url}}"),
                most=1,
            ),
            graph(
                "Requests by replica",
                "How the edge deals them out, counted by the replicas. Lines apart: one is out, new or slow to accept.",
                "reqps",
                Query(rate("http_requests_total", LOAD, by="replica"), "{{replica}}"),
            ),
            graph(
                "Retries over time",
                "Requests handed to another replica because the first did not accept them.",
                "reqps",
                Query(or_zero(rate("traefik_service_retries_total")), "retries"),
            ),
        ),
        row(
            "The edge itself",
            graph(
                "Connections by entry point",
                "Clients that do not reuse connections make it jump; each costs a file.",
                "short",
                Query(total("traefik_open_connections", by="entrypoint"), "{{entrypoint}}"),
            ),
            graph(
                "Bytes",
                "Bodies in and out. Bytes that grow faster than requests are larger requests: more rows in each.",
                "Bps",
                Query(or_zero(rate("traefik_entrypoint_requests_bytes_total", WEB)), "in"),
                Query(or_zero(rate("traefik_entrypoint_responses_bytes_total", WEB)), "out"),
            ),
            graph(
                "Processor and routines",
                "What the edge takes, in percent of one core (it can use all of them), and its goroutines: several for"
                " each connection.",
                "short",
                Query(f"100 * {rate('process_cpu_seconds_total', ITSELF)}", "percent of a core"),
                Query(total("go_goroutines", ITSELF), "goroutines"),
            ),
        ),
    ),
)
