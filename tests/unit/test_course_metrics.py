"""What checks read from a student's metrics: sums, rises, buckets; and a rule of the student's, changed."""

import math
import random

import numpy as np
import pytest
import yaml

from labkit.course.evidence.alert_rule import alert_rule, changed_rules
from labkit.course.evidence.metrics import bucket, limits, quantile, risen, rises, summed

RULES = """
groups:
  - name: shop
    rules:
      - {record: other, expr: 'vector(1)'}
      - {alert: Errors, expr: 'sum(rate(wrong[1m])) / sum(rate(all[1m])) > 0.05', for: 20s, labels: {severity: page}}
"""


def series(**values):
    return {(("route", name),): value for name, value in values.items()}


def histogram(limits_of, values):
    return [(limit, sum(value <= limit for value in values)) for limit in (*limits_of, math.inf)]


def test_counters_are_compared_by_labels_that_both_looks_have_or_only_the_later_one():
    assert rises(series(a=3, b=4), series(a=3, b=9, c=2), "route") == {("b",): 5, ("c",): 2}
    assert summed({(("le", "1"), ("route", "a")): 2, (("le", "2"), ("route", "a")): 3}, "route") == {("a",): 5}
    assert summed(series(a=1), "status") == {("-",): 1}


def test_a_counter_that_began_anew_rose_from_zero():
    assert risen([(1, 5), (2, 7), (3, 7), (4, 3), (5, 4)]) == 2 + 3 + 1
    assert risen([(1, 5)]) == 0


def test_buckets_of_one_route_are_added_up_and_in_order():
    found = limits({(("le", le), ("route", r)): n for r in "ab" for le, n in (("+Inf", 9), ("0.1", 4))}, route="a")
    assert found == [(0.1, 4), (math.inf, 9)]


def test_a_quantile_is_in_its_bucket_and_as_near_as_the_bucket_is_narrow():
    chance = random.Random(6)
    values = [chance.expovariate(4) for _ in range(5000)]
    of = histogram([0.01 * 2**n for n in range(10)], values)
    for share in (0.5, 0.9, 0.99):
        low, high = bucket(of, share)
        truth = float(np.quantile(values, share))
        assert low <= truth <= high
        assert low <= quantile(of, share) <= high
    assert quantile([(1.0, 0), (2.0, 10), (math.inf, 10)], 0.5) == pytest.approx(1.5)


def test_quantiles_at_the_ends_say_what_prometheus_says():
    assert math.isnan(quantile([(1.0, 0), (math.inf, 0)], 0.5))
    assert math.isnan(quantile([], 0.5))
    assert quantile([(1.0, 1), (math.inf, 10)], 0.99) == 1.0
    assert bucket([(1.0, 1), (math.inf, 10)], 0.99) == (1.0, math.inf)


def test_a_rule_is_taken_apart_and_changed_one_thing_at_a_time():
    rule = alert_rule(RULES, "Errors")
    assert (rule.bound, rule.waits) == (0.05, "20s")
    assert rule.value == "sum(rate(wrong[1m])) / sum(rate(all[1m]))"
    changed = {name: alert_rule(text, "Errors") for name, text in changed_rules(RULES, "Errors").items()}
    assert [one.bound for one in changed.values()] == [0.1, 0.025, 0.05]
    assert [one.waits for one in changed.values()] == ["20s", "20s", "0s"]
    assert {one.value for one in changed.values()} == {rule.value}
    for text in changed_rules(RULES, "Errors").values():
        assert yaml.safe_load(text)["groups"][0]["rules"][0] == {"record": "other", "expr": "vector(1)"}


@pytest.mark.parametrize(
    "text",
    ["", "# no rule", "groups: 3", "groups: [{rules: [{alert: Errors}]}]", "{", RULES.replace("> 0.05", "< 0.05"),
     RULES.replace("alert: Errors", "alert: Another")],
)  # fmt: skip
def test_what_is_no_such_rule_is_none(text):
    assert alert_rule(text, "Errors") is None
    assert changed_rules(text, "Errors") == {}
