"""A student's alert rule, taken apart, and changed in ways that a good test of it notices."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from labkit.course.evidence.rule_tests import failure
from labkit.home import Home
from labkit.prove.promql import comparisons


@dataclass(frozen=True)
class AlertRule:
    """An alert of the form VALUE > BOUND, and how long it waits (such as 20s)."""

    value: str
    bound: float
    waits: str


def alert_rule(rules: str, alert: str) -> AlertRule | None:
    """Return that alert out of the text of a file of rules; None when it is not there once, or has another form."""
    try:
        groups = yaml.safe_load(rules)["groups"]
        found = [rule for group in groups for rule in group["rules"] if rule.get("alert") == alert]
        (rule,) = found
        (part,) = comparisons(rule["expr"])
    except (yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError):
        return None
    if part.bound is None or ">" not in rule["expr"]:
        return None
    return AlertRule(part.value, part.bound, str(rule.get("for", "0s")))


def changed_rules(rules: str, alert: str) -> dict[str, str]:
    """Return the file of rules with one thing changed each time, by what that is; none for what is no such alert."""
    rule = alert_rule(rules, alert)
    if rule is None:
        return {}
    changes: dict[str, Mapping[str, Any]] = {
        "twice the threshold": {"expr": f"({rule.value}) > {2 * rule.bound!r}"},
        "half the threshold": {"expr": f"({rule.value}) > {rule.bound / 2!r}"},
        "no waiting (for: 0s)": {"for": "0s"},
    }
    return {name: _with(rules, alert, change) for name, change in changes.items()}


def unnoticed(home: Home, rules: str, test: str, alert: str) -> list[str]:
    """Return the changes of rules.yml with which its test still passes. Raises CannotRun without promtool."""
    return [
        name for name, text in changed_rules(rules, alert).items() if not failure(home, text, test, file="rules.yml")
    ]


def _with(rules: str, alert: str, change: Mapping[str, Any]) -> str:
    file = yaml.safe_load(rules)
    for group in file["groups"]:
        for rule in group["rules"]:
            if rule.get("alert") == alert:
                rule.update(change)
    return str(yaml.safe_dump(file))
