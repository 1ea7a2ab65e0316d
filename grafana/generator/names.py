"""What an expression may name: our catalogue, the recording rules, and what others emit; and by which labels."""

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from app.telemetry.catalogue import CATALOGUE

PROMETHEUS: Final = Path(__file__).parents[2] / "monitoring" / "prometheus"
# What a scrape adds to every series: the job, and the target's address and name.
SCRAPE_LABELS: Final = frozenset({"job", "instance", "replica"})


class UnknownName(ValueError):
    """Nobody emits a metric of that name or kind, or it has no such label."""


class Emitted(NamedTuple):
    """One metric that exists: counter, gauge, histogram or rule, and the labels of its series."""

    kind: str
    labels: frozenset[str]


@cache
def emitted() -> dict[str, Emitted]:
    """Return every metric that an expression may name."""
    ours = {metric.name: Emitted(metric.kind, SCRAPE_LABELS | set(metric.labels)) for metric in CATALOGUE}
    return ours | _foreign() | _recorded()


def require(name: str, kinds: Iterable[str], labels: Iterable[str]) -> None:
    """Raise UnknownName unless the metric exists, is of one of these kinds and has these labels."""
    metric = emitted().get(name)
    if metric is None:
        raise UnknownName(
            f"nobody emits {name}; next: list it in app/telemetry/catalogue.py, record it in"
            " monitoring/prometheus/rules, or name its source in monitoring/prometheus/foreign-metrics.toml"
        )
    if metric.kind not in kinds:
        raise UnknownName(f"{name} is a {metric.kind}; here goes a {' or a '.join(kinds)}")
    if unknown := set(labels) - metric.labels:
        raise UnknownName(f"{name} has no label {', '.join(unknown)}; it has {', '.join(sorted(metric.labels))}")


def _foreign() -> dict[str, Emitted]:
    sources = tomllib.loads((PROMETHEUS / "foreign-metrics.toml").read_text(encoding="utf-8"))
    return {
        name: Emitted(facts["kind"], SCRAPE_LABELS | set(facts["labels"]))
        for metrics in sources.values()
        for name, facts in metrics.items()
    }


def _recorded() -> dict[str, Emitted]:
    """A recorded series has the labels that its expression groups by, and those that the rule adds."""
    rules: dict[str, Emitted] = {}
    for path in sorted((PROMETHEUS / "rules").glob("*.yml")):
        groups: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in (rule for group in groups for rule in group["rules"] if "record" in rule):
            grouped = " ".join(re.findall(r"\bby\s*\(([^)]*)\)", rule["expr"]))
            labels = set(re.findall(r"\w+", grouped)) - {"le"} | set(rule.get("labels", {}))
            rules[rule["record"]] = Emitted("rule", frozenset(labels))
    return rules
