"""The load beside the service: what was intended, what was sent, and what both sides measured."""

from grafana.generator.board import Board, row
from grafana.generator.dashboards.objectives import SLOW_S
from grafana.generator.panels import Query, bad_from, fact, graph, heat
from grafana.generator.promql import LOAD, buckets, or_none, or_zero, quantile, rate, share, so_far, total

SENT, FAILED = "locust_requests_total", "locust_failures_total"
RESPONSE, SERVICE = "locust_response_seconds", "locust_service_seconds"
SERVER = "http_request_duration_seconds"
# A job's whole way is measured too, as if it were one request with the method JOB.
HTTP, JOB = 'method!="JOB"', 'method="JOB"'
OFFERED = total("locust_offered_requests_per_second")
SLOW = bad_from(SLOW_S)


def beside(q: float) -> list[Query]:
    """Return one quantile as users feel it, as naive clients measure it, and as the service measures it."""
    return [
        Query(quantile(q, RESPONSE, HTTP), "from the intended start"),
        Query(quantile(q, SERVICE, HTTP), "from the real start"),
        Query(quantile(q, SERVER, LOAD), "in the service"),
    ]


BOARD = Board(
    "load",
    "Load",
    "A load run while it runs; without one there is nothing here. Blue marks are starts and ends of runs.",
    (
        row(
            "Now",
            fact(
                "Users",
                "Users that the generator plays; zero while no load runs (start one: lab load smoke).",
                "short",
                Query(or_zero(total("locust_users")), "users"),
            ),
            fact(
                "Offered",
                "Requests that are to start a second, whatever the service does: an open model.",
                "reqps",
                Query(or_zero(OFFERED), "offered"),
            ),
            fact(
                "Achieved",
                "Requests answered a second. Below Offered for long: the service or the generator is saturated.",
                "reqps",
                Query(or_zero(rate(SENT, HTTP)), "achieved"),
            ),
            fact(
                "Failures",
                "Share of this run's requests without a valid answer, as the generator judges them.",
                "percentunit",
                Query(share(so_far(FAILED, HTTP), so_far(SENT, HTTP)), "failed"),
                steps=bad_from(0.001, 0.0005),
                decimals=2,
            ),
            fact(
                "p99, response time",
                "From the moment when a request should have started: what a user feels, coordinated omission included.",
                "s",
                Query(quantile(0.99, RESPONSE, HTTP), "p99"),
                steps=SLOW,
            ),
            fact(
                "p99 in the service",
                "What the service measures of the same requests. Far below the figure beside it: requests wait before"
                " the service reads them, or the generator is late.",
                "s",
                Query(quantile(0.99, SERVER, LOAD), "p99"),
                steps=SLOW,
            ),
        ),
        row(
            "Rate",
            graph(
                "Offered and achieved",
                "The lines part where the service, or the generator, cannot follow. Below 99 % a run is marked"
                " invalid.",
                "reqps",
                Query(or_zero(OFFERED), "offered"),
                Query(or_zero(rate(SENT, HTTP)), "achieved"),
                Query(or_zero(rate("http_requests_total", LOAD)), "counted by the service"),
            ),
            graph(
                "Users over time",
                "Users in play. In the open model they only carry the requests; more of them do not mean more load.",
                "short",
                Query(or_zero(total("locust_users")), "users"),
            ),
            graph(
                "Answers by status",
                "What the generator got. Status 0 is no answer at all: refused, reset or timed out.",
                "reqps",
                Query(rate(SENT, HTTP, by="status"), "{{status}}"),
                stacked=True,
            ),
        ),
        row(
            "Duration, both sides",
            graph(
                "p50",
                "Half of the requests are faster. All three lines close together: nothing waits anywhere.",
                "s",
                *beside(0.5),
            ),
            graph(
                "p95",
                "The gap between the lower lines is network, edge and the queue in front of the process.",
                "s",
                *beside(0.95),
            ),
            graph(
                "p99",
                "The gap between the upper lines is coordinated omission: time that a naive client does not count"
                " because it sends later instead. The dashed line is the objective.",
                "s",
                *beside(0.99),
                steps=SLOW,
            ),
        ),
        row(
            "By request",
            graph(
                "Rate by route",
                "The mix that the scenario asks for. A route that falls behind its share is one whose users wait.",
                "reqps",
                Query(rate(SENT, HTTP, by="method, route"), "{{method}} {{route}}"),
                stacked=True,
            ),
            graph(
                "p99 by route",
                "Response time. The slow route decides what users think of the service.",
                "s",
                Query(quantile(0.99, RESPONSE, HTTP, by="method, route"), "{{method}} {{route}}"),
            ),
            graph(
                "Failures by reason",
                "So far in this run, by why the generator calls an answer a failure: its status, a wrong content, or"
                " no answer.",
                "short",
                Query(or_none(so_far(FAILED, by="route, reason"), "reason"), "{{route}} {{reason}}"),
            ),
        ),
        row(
            "Distribution and jobs",
            heat(
                "Response time",
                "Requests by response time, darker is more. A band that climbs is a queue that fills while load"
                " goes on.",
                "s",
                Query(buckets(RESPONSE, HTTP), "{{le}}"),
                width=12,
            ),
            graph(
                "Jobs, end to end",
                "From the moment when a job should have been handed in to its answer. The dashed line is the"
                " objective.",
                "s",
                Query(quantile(0.5, RESPONSE, JOB), "p50"),
                Query(quantile(0.95, RESPONSE, JOB), "p95"),
                Query(quantile(0.99, RESPONSE, JOB), "p99"),
                width=12,
                steps=bad_from(2),
            ),
        ),
    ),
    shows="15m",
)
