"""What is wrong with an answer: status, shape, number and type of results, labels, request id."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

NO_ANSWER, REFUSED, WRONG_STATUS, WRONG_ANSWER = "no answer", "refused", "wrong status", "wrong answer"
"""The kinds of failure; `refused` is a 429 or 503 that says when to come back."""

ROUNDING = 1e-3


class Answer(NamedTuple):
    """An answer as the client got it; `headers` looks names up in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Check = Callable[[Answer], None]
"""Raises BadAnswer."""


class BadAnswer(Exception):
    """A request failed. `str()` has few values, so that reports can group by it; `detail` is what was seen."""

    def __init__(self, kind: str, fact: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {fact}")
        self.kind = kind
        self.detail = detail or fact


def check_status(answer: Answer, *allowed: int) -> None:
    """Raise BadAnswer unless the status is one of `allowed`."""
    if answer.status in allowed:
        return
    shown = answer.body[:200].decode("utf-8", "replace")
    if answer.status in (429, 503) and answer.headers.get("retry-after"):
        raise BadAnswer(REFUSED, f"status {answer.status}", shown)
    raise BadAnswer(WRONG_STATUS, f"status {answer.status}, expected {' or '.join(map(str, allowed))}", shown)


def check_request_id(answer: Answer, sent: str) -> None:
    got = answer.headers.get("x-request-id")
    if got != sent:
        fact = "no X-Request-ID" if got is None else "another X-Request-ID than the one sent"
        raise BadAnswer(WRONG_ANSWER, fact, f"sent {sent}, got {got}")


def decoded(answer: Answer) -> dict[str, Any]:
    """Return the JSON object in the body. Raises BadAnswer."""
    try:
        found = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadAnswer(WRONG_ANSWER, "the body is not JSON", f"{error}: {answer.body[:200]!r}") from None
    if not isinstance(found, dict):
        raise BadAnswer(WRONG_ANSWER, "the body is not a JSON object", repr(answer.body[:200]))
    return found


def member(document: dict[str, Any], name: str, kind: type) -> Any:
    """Return `document[name]`, which must be a `kind`. Raises BadAnswer."""
    value = document.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise BadAnswer(WRONG_ANSWER, f"{name} is no {kind.__name__}", f"{name} = {value!r}"[:300])
    return value


def check_labels(results: list[Any], rows: int, labels: frozenset[Any]) -> None:
    """Raise BadAnswer unless there is one known label for each of `rows` rows."""
    check_count(results, rows)
    for value in results:
        if type(value) not in (int, str) or value not in labels:
            raise BadAnswer(WRONG_ANSWER, "an unknown label", f"{value!r} is none of {sorted(labels)}")


def check_numbers(results: list[Any], rows: int) -> None:
    check_count(results, rows)
    for value in results:
        if type(value) not in (int, float) or not math.isfinite(value):
            raise BadAnswer(WRONG_ANSWER, "a result is not a finite number", repr(value))


def check_count(results: list[Any], rows: int) -> None:
    if len(results) != rows:
        raise BadAnswer(WRONG_ANSWER, "another number of results than rows", f"{len(results)} results for {rows} rows")


def check_sentiment(labels: list[Any], scores: list[Any], rows: int) -> None:
    """Raise BadAnswer unless each score is in 0..1 and its label is the one that the score means.

    Below 0.45 Negativo, below 0.55 Neutral, else Positivo; within 0.001 of a limit either side is accepted.
    """
    check_labels(labels, rows, frozenset(("Positivo", "Neutral", "Negativo")))
    check_numbers(scores, rows)
    for label, score in zip(labels, scores, strict=True):
        if not 0 <= score <= 1:
            raise BadAnswer(WRONG_ANSWER, "a score outside 0..1", repr(score))
        if label not in (meaning(score - ROUNDING), meaning(score + ROUNDING)):
            raise BadAnswer(WRONG_ANSWER, "a label that its score does not mean", f"{label} with score {score}")


def meaning(score: float) -> str:
    if score < 0.45:
        return "Negativo"
    return "Neutral" if score < 0.55 else "Positivo"


def check_problem(answer: Answer, *allowed: int) -> None:
    """Raise BadAnswer unless the answer refuses the request as application/problem+json with a stable type."""
    check_status(answer, *allowed)
    kind = answer.headers.get("content-type") or ""
    if not kind.startswith("application/problem+json"):
        raise BadAnswer(WRONG_ANSWER, "an error that is no application/problem+json", f"content-type {kind!r}")
    problem = decoded(answer)
    member(problem, "type", str)
    if problem.get("status") != answer.status:
        seen = f"{problem.get('status')!r}, answered {answer.status}"
        raise BadAnswer(WRONG_ANSWER, "a problem with another status than its answer", seen)
