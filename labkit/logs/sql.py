"""A query as a condition of SQLite: the text has no value in it, all values are parameters."""

import math
from typing import Any

from labkit.logs.fields import is_column, is_number
from labkit.logs.query import NAME, WrongQuery
from labkit.logs.tree import And, Begins, Between, Everything, Has, Is, Not, Or, Tree, Words, words_of

INDEXED = "id IN (SELECT rowid FROM words WHERE words MATCH ?)"


def condition(tree: Tree) -> tuple[str, list[Any]]:  # noqa: PLR0911  (one for each kind of part)
    """Return a condition on a segment's `records`, never NULL, and its parameters in their order."""
    match tree:
        case Everything():
            return "1", []
        case Words(words, begins):
            return _said(words, begins=begins)
        case Is("request_id", value):
            return _request(value)
        case Is(field, value):
            text, parameters = column_text(field)
            return f"ifnull({text} = ?, 0)", [*parameters, value]
        case Begins(field, value):
            text, parameters = column_text(field)
            return f"ifnull(substr({text}, 1, ?) = ?, 0)", [*parameters, len(value), value]
        case Has(field):
            value, parameters = column(field)
            return f"ifnull({value} <> '', 0)", parameters
        case Between():
            return _between(tree)
        case Not(part):
            text, parameters = condition(part)
            return f"(NOT {text})", parameters
        case And(parts):
            return _joined(" AND ", parts)
        case Or(parts):
            return _joined(" OR ", parts)


def column(field: str) -> tuple[str, list[Any]]:
    """Return what reads a field of a record, NULL when it has none. A name that is no column is a parameter."""
    if is_column(field):
        return field, []
    if not NAME.fullmatch(field):
        raise WrongQuery(f"{field!r} is no name of a field: letters, digits, . and -, such as job_id")
    path = f'$."{field}"'
    if is_number(field):
        return "number(json_extract(fields, ?))", [path]
    # GELF knows texts and numbers only.
    return "CASE WHEN json_type(fields, ?) IN ('text', 'integer', 'real') THEN json_extract(fields, ?) END", [path] * 2


def column_text(field: str) -> tuple[str, list[Any]]:
    """Return what reads a field as text."""
    value, parameters = column(field)
    return (value if is_column(field) else f"CAST({value} AS TEXT)"), parameters


def _joined(connective: str, parts: tuple[Tree, ...]) -> tuple[str, list[Any]]:
    found = [condition(part) for part in parts]
    return (
        "(" + connective.join(text for text, _ in found) + ")",
        [value for _, values in found for value in values],
    )


def _between(tree: Between) -> tuple[str, list[Any]]:
    value, parameters = column(tree.field)
    conditions: list[str] = []
    values: list[Any] = []
    for sign, limit in ((">" if tree.above else ">=", tree.low), ("<" if tree.below else "<=", tree.high)):
        if limit is not None:
            conditions.append(f"{value} {sign} ?")
            values += [*parameters, limit]
    return f"ifnull({' AND '.join(conditions)}, 0)", values


def _said(words: tuple[str, ...], *, begins: bool) -> tuple[str, list[Any]]:
    """The index finds the candidates; `said` decides, because the index also ignores accents."""
    phrase = f" {' '.join(words)}{'' if begins else ' '}"
    return f"({INDEXED} AND said(message, ?))", [_match("message", words, begins=begins), phrase]


def _request(value: str) -> tuple[str, list[Any]]:
    """The index finds the candidates; a value in which it sees no word is compared with every record's.

    A beginning is compared with every record's as well: for the many ids of a run that is faster.
    """
    exact = "ifnull(request_id = ?, 0)"
    words = words_of(value)
    if not words:
        return exact, [value]
    return f"({INDEXED} AND {exact})", [_match("request_id", words, begins=False), value]


def _match(column: str, words: tuple[str, ...], *, begins: bool) -> str:
    """Return a phrase of the index; words are letters and digits, so that nothing in them has a meaning there."""
    return f'{column} : "{" ".join(words)}"' + (" *" if begins else "")


def number(value: Any) -> int | float | None:
    """Return a number, also one that was sent as a text; else None."""
    if isinstance(value, int | float) or value is None:
        return value
    try:
        found = float(value)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def said(message: str, phrase: str) -> bool:
    """Return whether a message that the index has found has the phrase (" one two ", a beginning " one") as it is.

    The index is right where there is no accent to ignore.
    """
    if message.isascii():
        return phrase.isascii()
    return phrase in " " + " ".join(words_of(message)) + " "
