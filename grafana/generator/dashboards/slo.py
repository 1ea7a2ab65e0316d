"""Promises: how much of the budget is left, and how fast it is spent."""

from grafana.generator.board import Board, row
from grafana.generator.dashboards.objectives import (
    AVAILABILITY,
    ERROR_SHARE,
    FAST,
    FAST_BURN,
    SLOW_BURN,
    SLOW_S,
    SLOW_SHARE,
)
from grafana.generator.panels import Query, bad_below, bad_from, bars, dial, fact, graph
from grafana.generator.promql import or_none, or_zero, series, total

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
BURN = [(None, "green"), (1, "yellow"), (SLOW_BURN, "orange"), (FAST_BURN, "red")]
LEFT = bad_below(0.25, 0)
READ_BURN = (
    f"Burn 1 spends the budget exactly in its three days. At {FAST_BURN:g} in 1 h and 5 min, or at {SLOW_BURN:g} in 6 h"
    " and 30 min, an alert fires: the long window says that it matters, the short one that it still goes on."
)


def errors(promise: str, window: str) -> str:
    """Return the share of the requests in the window that broke the promise; 0 without requests."""
    return or_zero(total(f"slo:{promise}_errors:ratio_rate{window}"))


def burn(promise: str, budget: float, *windows: str) -> list[Query]:
    """Return how many times faster than allowed the budget is spent, by window."""
    return [Query(f"({errors(promise, window)}) / {budget}", window) for window in windows]


BOARD = Board(
    "slo",
    "Objectives",
    f"Two promises: {AVAILABILITY:.1%} of the requests get an answer other than 5xx, {FAST:.0%} are answered within"
    f" {SLOW_S * 1000:.0f} ms; counted at the edge where there is one. Read the budget first, then how"
    " fast it is spent.",
    (
        row(
            "Budget",
            dial(
                "Availability budget left",
                "Share of the failed answers that three days allow and that are still to spend. Orange below a quarter:"
                " no risky changes. Red below zero: the promise is broken.",
                "percentunit",
                Query(series("slo:availability_budget:remaining"), "left"),
                steps=LEFT,
            ),
            dial(
                "Latency budget left",
                "The same for answers that took too long. Red below zero: more than one in a hundred was slow.",
                "percentunit",
                Query(series("slo:latency_budget:remaining"), "left"),
                steps=LEFT,
            ),
            graph(
                "Budget over time",
                "A slope is a burn: steep and short is an outage, gentle and long is a slow leak. It comes back as bad"
                " minutes grow older than three days.",
                "percentunit",
                Query(series("slo:availability_budget:remaining"), "availability"),
                Query(series("slo:latency_budget:remaining"), "latency"),
                least=None,
                most=1,
            ),
            fact(
                "Availability, 1 h",
                "Share of the last hour's requests with an answer other than 5xx. Red below the objective.",
                "percentunit",
                Query(f"1 - ({errors('availability', '1h')})", "available"),
                steps=[(None, "red"), (AVAILABILITY, "green")],
                decimals=3,
                height=8,
            ),
            fact(
                "Fast enough, 1 h",
                f"Share of the last hour's requests answered within {SLOW_S * 1000:.0f} ms. Red below the objective.",
                "percentunit",
                Query(f"1 - ({errors('latency', '1h')})", "fast"),
                steps=[(None, "red"), (FAST, "green")],
                decimals=2,
                height=8,
            ),
        ),
        row(
            "Burn rate",
            graph(
                "Availability",
                READ_BURN,
                "suffix: ×",
                *burn("availability", ERROR_SHARE, "5m", "30m", "1h", "6h"),
                width=12,
                steps=BURN,
            ),
            graph(
                "Latency",
                READ_BURN,
                "suffix: ×",
                *burn("latency", SLOW_SHARE, "5m", "30m", "1h", "6h"),
                width=12,
                steps=BURN,
            ),
        ),
        row(
            "Shares against the objective",
            bars(
                "Failed answers by window",
                "Red bars break the promise over their window. Short red, long green: it has just begun.",
                "percentunit",
                *(Query(errors("availability", window), window) for window in WINDOWS),
                steps=bad_from(ERROR_SHARE, ERROR_SHARE / 2),
            ),
            bars(
                "Slow answers by window",
                "The same for answers that took too long: red bars break the promise over their window.",
                "percentunit",
                *(Query(errors("latency", window), window) for window in WINDOWS),
                steps=bad_from(SLOW_SHARE, SLOW_SHARE / 2),
            ),
            graph(
                "The last minute",
                "What happens now, before it shows in the windows. The dashed lines are the objectives: orange for"
                " failed, red for slow.",
                "percentunit",
                Query(or_zero(total("service:errors:ratio_rate1m")), "failed"),
                Query(or_zero(total("service:slow_requests:ratio_rate1m")), "slow"),
                steps=bad_from(SLOW_SHARE, ERROR_SHARE),
            ),
        ),
        row(
            "Alerts",
            graph(
                "Alerts over time",
                "Which alert was pending or fired when. Watchdog always fires: if it is missing, alerting itself is"
                " broken. What to do about each is in monitoring/runbooks.",
                "short",
                Query(
                    or_none(total("ALERTS", by="alertname, alertstate", of="count"), "alertname"),
                    "{{alertname}} {{alertstate}}",
                ),
                width=24,
                stacked=True,
            ),
        ),
    ),
    shows="3h",
)
