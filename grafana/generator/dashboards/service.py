"""The service as its users meet it: rate, errors and duration, as a whole, by route and by replica."""

from grafana.generator.board import Board, Choice, row
from grafana.generator.dashboards.objectives import ERROR_SHARE, SLOW_S
from grafana.generator.panels import Column, Query, bad_below, bad_from, fact, graph, heat, listing
from grafana.generator.promql import LOAD, buckets, or_none, or_zero, quantile, rate, share, share_each, total

REQUESTS, DURATION = "http_requests_total", "http_request_duration_seconds"
CHOSEN = (LOAD, 'replica=~"$replica"', 'route=~"$route"')
FAILED = 'status=~"5.."'
REFUSED = 'status=~"4.."'
SLOW = bad_from(SLOW_S, SLOW_S / 2)
FAILING = bad_from(ERROR_SHARE, ERROR_SHARE / 2)
API = 'job="api"'
SHOWN = (API, 'replica=~"$replica"')

BOARD = Board(
    "service",
    "Service",
    "Rate, errors, duration of the prediction service, measured in the replicas. Read it from the top: how much, how"
    " well, how fast; then which route, which replica.",
    (
        row(
            "Now",
            fact(
                "Requests",
                "Requests answered a second; probes and scrapes are left out. Falls to zero without load: look at"
                " the load dashboard before you look for a fault.",
                "reqps",
                Query(or_zero(rate(REQUESTS, *CHOSEN)), "requests"),
            ),
            fact(
                "Failed",
                "Share of the answers that are 5xx. Orange at half the objective, red at the objective: then look at"
                " Errors below and at the logs for status:>=500.",
                "percentunit",
                Query(share(rate(REQUESTS, *CHOSEN, FAILED), rate(REQUESTS, *CHOSEN)), "failed"),
                steps=FAILING,
                decimals=2,
            ),
            fact(
                "p50",
                "Half of the requests are answered faster than this: the usual experience. It moves when"
                " everything is slow.",
                "s",
                Query(quantile(0.5, DURATION, *CHOSEN), "p50"),
                steps=SLOW,
            ),
            fact(
                "p99",
                "One request in a hundred takes longer. Red above the objective: compare p50; if that is calm, few"
                " requests wait (a queue, a pause), if it rises too, the service is saturated.",
                "s",
                Query(quantile(0.99, DURATION, *CHOSEN), "p99"),
                steps=SLOW,
            ),
            fact(
                "In flight",
                "Requests being answered at this moment, all replicas together. Rate times mean duration, by"
                " Little's law; a rise at the same rate means slower answers.",
                "short",
                Query(total("http_requests_in_flight", *SHOWN), "in flight"),
            ),
            fact(
                "Replicas up",
                "Replicas that answered the last scrape. Orange with one, red with none: lab status says what is"
                " missing.",
                "short",
                Query(or_zero(total("up", *SHOWN)), "up"),
                steps=bad_below(2, 1),
            ),
        ),
        row(
            "Rate",
            graph(
                "Requests by route",
                "What the service is asked, by route template. A change of mix changes the duration of the whole"
                " without any fault.",
                "reqps",
                Query(rate(REQUESTS, *CHOSEN, by="method, route"), "{{method}} {{route}}"),
                width=12,
                stacked=True,
            ),
            graph(
                "Answers by status",
                "2xx is work done, 4xx is wrong input or a refused key, 503 is load shed on purpose, 500 is a fault of"
                " ours.",
                "reqps",
                Query(rate(REQUESTS, *CHOSEN, by="status"), "{{status}}"),
                width=12,
                stacked=True,
            ),
        ),
        row(
            "Errors",
            graph(
                "Failed, by route",
                "Share of each route's answers that are 5xx. The dashed line is the objective; one route above it"
                " alone points to its model or its dependency.",
                "percentunit",
                Query(
                    share_each(
                        rate(REQUESTS, *CHOSEN, FAILED, by="method, route"), rate(REQUESTS, *CHOSEN, by="method, route")
                    ),
                    "{{method}} {{route}}",
                ),
                width=12,
                steps=bad_from(ERROR_SHARE),
            ),
            graph(
                "Refused, by status",
                "4xx a second: clients that send what the service does not take. They spend no error budget; a sudden"
                " rise is usually one client's new version.",
                "reqps",
                Query(or_none(rate(REQUESTS, *CHOSEN, REFUSED, by="route, status"), "status"), "{{status}} {{route}}"),
                width=12,
            ),
        ),
        row(
            "Duration",
            graph(
                "p50, p95, p99",
                "Service time, from the request's head to the answer; what waits in front of the replica is not in it"
                " (see the load dashboard). The dashed line is the objective for p99.",
                "s",
                Query(quantile(0.5, DURATION, *CHOSEN), "p50"),
                Query(quantile(0.95, DURATION, *CHOSEN), "p95"),
                Query(quantile(0.99, DURATION, *CHOSEN), "p99"),
                steps=bad_from(SLOW_S),
            ),
            graph(
                "p99 by route",
                "Which route is the slow one. Routes with few requests jump: their p99 is their slowest request.",
                "s",
                Query(quantile(0.99, DURATION, *CHOSEN, by="method, route"), "{{method}} {{route}}"),
            ),
            heat(
                "Distribution",
                "Requests by duration, darker is more. Two bands are two kinds of requests (cached and computed, light"
                " and heavy); a band that climbs is a queue that fills.",
                "s",
                Query(buckets(DURATION, *CHOSEN), "{{le}}"),
            ),
        ),
        row(
            "Replicas side by side",
            graph(
                "Requests by replica",
                "The edge deals requests out evenly: lines apart mean that a replica is new, ejected or refused.",
                "reqps",
                Query(rate(REQUESTS, *CHOSEN, by="replica"), "{{replica}}"),
            ),
            graph(
                "p99 by replica",
                "One replica slower than the other at the same rate has a problem of its own: its processor, its"
                " connection, its version.",
                "s",
                Query(quantile(0.99, DURATION, *CHOSEN, by="replica"), "{{replica}}"),
            ),
            graph(
                "In flight by replica",
                "Requests that each replica holds. The one that climbs alone is stuck.",
                "short",
                Query(total("http_requests_in_flight", *SHOWN, by="replica"), "{{replica}}"),
            ),
        ),
        row(
            "Every route, as of now",
            listing(
                "Routes",
                "The same figures as above for each route, sortable. Start with the red cells.",
                "method, route",
                Column("rate", rate(REQUESTS, *CHOSEN, by="method, route"), "reqps"),
                Column(
                    "failed",
                    share_each(
                        rate(REQUESTS, *CHOSEN, FAILED, by="method, route"), rate(REQUESTS, *CHOSEN, by="method, route")
                    ),
                    "percentunit",
                    FAILING,
                ),
                Column("p50", quantile(0.5, DURATION, *CHOSEN, by="method, route"), "s", SLOW),
                Column("p95", quantile(0.95, DURATION, *CHOSEN, by="method, route"), "s", SLOW),
                Column("p99", quantile(0.99, DURATION, *CHOSEN, by="method, route"), "s", SLOW),
            ),
        ),
    ),
    (
        Choice("replica", "Replica", 'label_values(up{job="api"}, replica)'),
        Choice("route", "Route", f"label_values(http_requests_total{{{LOAD}}}, route)"),
    ),
)
