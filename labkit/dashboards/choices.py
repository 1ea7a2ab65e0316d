"""What a reader can choose: the values of each variable, asked of Prometheus where they come from it."""

import re
from typing import Any

from labkit.dashboards.panels import Asked
from labkit.dashboards.prometheus import NoAnswer, Prometheus
from labkit.dashboards.variables import ALL, Variable, WrongValue, label_values
from labkit.dashboards.window import interpolated

MOST = 500


async def choices(asked: Asked, prometheus: Prometheus) -> list[dict[str, Any]]:
    """Return name, label, options and the chosen values of each visible variable; `problem` says what failed."""
    found = []
    for one in asked.dashboard.variables:
        options, problem = list(one.options), ""
        if one.kind == "query":
            try:
                options = await _asked_for(one, asked, prometheus)
            except (NoAnswer, WrongValue) as error:
                problem = str(error)
        if one.hidden or one.kind == "constant":
            continue
        if one.has_all:
            options.insert(0, ALL)
        chosen = list(one.values(asked.chosen)) or options[:1]
        facts = {"name": one.name, "label": one.label, "several": one.several, "kind": one.kind}
        found.append({**facts, "options": options[:MOST], "chosen": chosen, "problem": problem})
    return found


async def _asked_for(one: Variable, asked: Asked, prometheus: Prometheus) -> list[str]:
    selector, label = label_values(one.query)
    others = {other.name: other.written(asked.chosen) for other in asked.dashboard.variables if other != one}
    values = await prometheus.label_values(label, interpolated(selector, others), asked.span.start, asked.span.end)
    if not one.regex:
        return values
    try:
        pattern = re.compile(one.regex)
    except re.error as error:
        raise WrongValue(f"variable {one.name} has the regex {one.regex!r}: {error}") from None
    matches = [match for match in map(pattern.search, values) if match]
    return list(dict.fromkeys(match[1] if match.groups() else match[0] for match in matches))
