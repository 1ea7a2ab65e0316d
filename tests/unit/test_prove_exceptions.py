"""grafana/exceptions.toml fits the dashboards and the alerts that are committed; what it excepts is counted."""

from pathlib import Path

import yaml

from labkit.prove.exceptions import Exceptions, read_exceptions
from labkit.prove.proof import MOST_EXCEPTIONS
from labkit.prove.subjects import Subject, alerts, panels, sorted_out

ROOT = Path(__file__).parents[2]


def subjects() -> list[Subject]:
    rules = [
        {"type": "alerting", "name": rule["alert"], "query": rule["expr"]}
        for path in (ROOT / "monitoring" / "prometheus" / "rules").glob("*.yml")
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    return [*panels(ROOT / "grafana" / "dashboards", {}), *alerts(rules)]


def exceptions() -> Exceptions:
    return read_exceptions(ROOT / "grafana" / "exceptions.toml")


def test_each_entry_names_a_panel_or_an_alert_that_is_there() -> None:
    _, unused = sorted_out(subjects(), exceptions())
    assert unused == []


def test_an_entry_of_a_panel_that_is_gone_would_be_found() -> None:
    """The control: without one dashboard its entries are left over."""
    rest = [subject for subject in subjects() if subject.of != "edge"]
    _, unused = sorted_out(rest, exceptions())
    assert unused
    assert all(name.startswith("edge: ") for name in unused)


def test_exceptions_are_few() -> None:
    found, _ = sorted_out(subjects(), exceptions())
    excepted = [one for one in found if any(question.kind == "exception" for question in one.questions)]
    assert len(excepted) <= MOST_EXCEPTIONS * len(found)


def test_every_alert_has_a_value_to_judge() -> None:
    found = [subject for subject in subjects() if subject.is_alert]
    assert found
    assert all(question.text for subject in found for question in subject.questions)
    assert [subject.title for subject in found if subject.always_fires] == ["Watchdog"]
