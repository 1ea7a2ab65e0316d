"""What there is to prove: every panel with its questions, every alert with the values that it compares."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from labkit.dashboards.files import Shelf
from labkit.dashboards.variables import Variable
from labkit.dashboards.window import interpolated
from labkit.errors import CannotRun
from labkit.prove.exceptions import ALERTS, Entry, Exceptions, written
from labkit.prove.promql import comparisons
from labkit.prove.verdict import Kind

ALWAYS_FIRES = "vector(1)"


@dataclass(frozen=True)
class Question:
    """One expression (or, of logs, one query counted over time, by a field if `by` is given)."""

    name: str
    text: str
    source: Literal["prometheus", "logs"] = "prometheus"
    kind: Kind = "follows"
    entry: Entry | None = None
    by: str = ""
    bound: float = 0.0


@dataclass(frozen=True)
class Subject:
    """A panel of the dashboard `of`, or an alert."""

    of: str
    title: str
    questions: tuple[Question, ...]

    @property
    def is_alert(self) -> bool:
        return self.of == ALERTS

    @property
    def always_fires(self) -> bool:
        return self.is_alert and any(question.text.replace(" ", "") == ALWAYS_FIRES for question in self.questions)


def panels(folder: Path, words: Mapping[str, str]) -> list[Subject]:
    """Return the panels of all dashboards in a folder; `words` stand for $__rate_interval and the like.

    Raises CannotRun for a folder without dashboards or a file that is none.
    """
    shelf = Shelf(folder)
    found = []
    for uid in shelf.uids():
        try:
            board = shelf.dashboard(uid)
        except LookupError as error:
            raise CannotRun(f"{folder}: {error}") from error
        for panel in board.panels.values():
            if targets := [target for target in panel.get("targets", ()) if not target.get("hide")]:
                asked = tuple(_question(panel, target, board.variables, words) for target in targets)
                found.append(Subject(uid, str(panel.get("title", "")), asked))
    if not found:
        raise CannotRun(f"no panel in {folder}; next: python -m grafana.generator")
    return found


def _question(
    panel: Mapping[str, Any], target: Mapping[str, Any], variables: Iterable[Variable], words: Mapping[str, str]
) -> Question:
    """Fill in the words; each template variable has its default, as a reader finds it."""
    name = str(target.get("refId", "A"))
    source = target.get("datasource") or panel.get("datasource") or {}
    if source.get("type") == "elasticsearch":
        chosen = {one.name: one.written_lucene({}) for one in variables}
        terms = [group for group in target.get("bucketAggs") or () if group.get("type") == "terms"]
        by = str(terms[0]["field"]) if terms else ""
        return Question(name, interpolated(str(target.get("query") or "*"), {**words, **chosen}), "logs", by=by)
    chosen = {one.name: one.written({}) for one in variables}
    return Question(name, interpolated(str(target.get("expr", "")), {**words, **chosen}))


def alerts(rules: Iterable[Mapping[str, Any]]) -> list[Subject]:
    """Return the alerts among the rules that Prometheus has loaded."""
    return [
        Subject(
            ALERTS,
            rule["name"],
            tuple(
                Question(str(number), one.value, kind="alert", bound=one.bound or 0.0)
                for number, one in enumerate(comparisons(rule["query"]), 1)
            ),
        )
        for rule in rules
        if rule.get("type") == "alerting"
    ]


def sorted_out(subjects: Iterable[Subject], exceptions: Exceptions) -> tuple[list[Subject], list[str]]:
    """Give each question the kind that the file says; return also the entries of which there is no panel any more."""
    entries = exceptions.by_name()
    used = set()
    found = []
    for subject in subjects:
        questions = []
        for question in subject.questions:
            names = ((subject.of, subject.title, question.name), (subject.of, subject.title, ""))
            name = next((name for name in names if name in entries), None)
            if name is not None:
                used.add(name)
                kind, entry = entries[name]
                question = replace(question, kind=kind, entry=entry)  # noqa: PLW2901  (the same question, its kind known)
            questions.append(question)
        found.append(replace(subject, questions=tuple(questions)))
    return found, [written(name) for name in entries if name not in used]
