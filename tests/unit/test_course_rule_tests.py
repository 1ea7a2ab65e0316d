"""A student's alerting rule and its test: a moved threshold is noticed by a test that is near it."""

import json

import pytest

from labkit.course.evidence.rule_tests import failure, with_threshold
from labkit.home import find_home
from labkit.stack.obtain.prometheus import find_promtool

RULE = """
# fires above > 3 of them
groups:
  - name: one
    rules:
      - alert: Many
        expr: sum(errors) > 10  # more than ten
"""
needs_promtool = pytest.mark.skipif(find_promtool(find_home()) is None, reason="no promtool here")


def fires(value: int, *, expected: bool) -> str:
    samples = [{"labels": "{}", "value": 1}] if expected else []
    asked = {"expr": 'count(ALERTS{alertname="Many"})', "eval_time": "1m", "exp_samples": samples}
    series = [{"series": "errors", "values": f"{value}x5"}]
    tests = [{"interval": "1m", "input_series": series, "promql_expr_test": [asked]}]
    return json.dumps({"rule_files": ["alert.yml"], "evaluation_interval": "1m", "tests": tests})


@needs_promtool
@pytest.mark.parametrize(("value", "expected"), [(10, False), (11, True)])
def test_a_right_expectation_passes_and_a_wrong_one_fails(value, expected):
    assert failure(find_home(), RULE, fires(value, expected=expected)) == ""
    assert "got" in failure(find_home(), RULE, fires(value, expected=not expected))


@needs_promtool
def test_what_is_no_test_is_told():
    assert failure(find_home(), RULE, "rule_files: {")
    assert failure(find_home(), "groups: 1", fires(11, expected=True))


@needs_promtool
def test_a_moved_threshold_is_noticed_only_near_it():
    moved = with_threshold(RULE, 20)
    assert failure(find_home(), moved, fires(11, expected=True))
    assert failure(find_home(), moved, fires(50, expected=True)) == ""


def test_the_last_comparison_moves_and_comments_do_not_count():
    assert "sum(errors) > 14 " in with_threshold(RULE, 14)
    assert with_threshold("expr: a > 1 and b >= 11", 6) == "expr: a > 1 and b >= 6"
    assert with_threshold("expr: up == 0", 6) == "expr: up == 0"
