"""Alerts are taken apart at their top-level comparisons, and the metrics of an expression are known by name."""

import pytest

from labkit.prove.promql import Comparison, comparisons, metric_names


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        ("(up) > 0", [("up", 0.0)]),
        ("a:b:ratio > 0.0144 and a:b:increase >= 30", [("a:b:ratio", 0.0144), ("a:b:increase", 30.0)]),
        ('(x{l="a > b and c"}) < 1e3', [('x{l="a > b and c"}', 1000.0)]),
        ("((sum(a > 0)) or vector(0)) > 5", [("(sum(a > 0)) or vector(0)", 5.0)]),
        ("(sum(a) - (count(b) or vector(0))) > 0", [("sum(a) - (count(b) or vector(0))", 0.0)]),
        ("(a) > 1 and on (job) (b) > 2 unless ignoring(x) (c) == 3", [("a", 1.0), ("b", 2.0), ("c", 3.0)]),
        ("(a) + (b) > -1", [("(a) + (b)", -1.0)]),
        ('absent(up{job="api"})', [('up{job="api"}', None)]),
        ("vector(1)", [("vector(1)", None)]),
        ("a > b", [("a > b", None)]),
    ],
)
def test_each_comparison_of_an_alert_is_found(expression: str, parts: list[tuple[str, float | None]]) -> None:
    assert comparisons(expression) == [Comparison(value, bound) for value, bound in parts]


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("vector(1)", set()),
        ("sum by (le, route) (rate(http_x_bucket{route!~\"/a|sum\", le='1'}[1m30s])) > 0", {"http_x_bucket"}),
        ("avg_over_time((a:b:c)[5m:5s]) / on (job) group_left (x) max(y_total offset 1h)", {"a:b:c", "y_total"}),
        ("a and b or c unless d == bool 1", {"a", "b", "c", "d"}),
        ("histogram_quantile(0.99, sum by (le) (m_bucket)) >= 0 or Inf", {"m_bucket"}),
        ("by_hand_total + summary", {"by_hand_total", "summary"}),
    ],
)
def test_the_metrics_of_an_expression_are_known(expression: str, names: set[str]) -> None:
    assert metric_names(expression) == names
