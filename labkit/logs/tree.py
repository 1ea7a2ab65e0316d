"""A query as a tree: its parts, their text, what they name."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeAlias

from labkit.logs.fields import MESSAGE

Number: TypeAlias = int | float
_WORD: Final = re.compile(r"[^\W_]+")
_PLAIN: Final = re.compile(r"[\w/.-]+")


@dataclass(frozen=True)
class Everything:
    """Every record."""


@dataclass(frozen=True)
class Words:
    """The message has these words (lower case), one after the other; `begins`: a word that begins with the one."""

    words: tuple[str, ...]
    begins: bool = False


@dataclass(frozen=True)
class Is:
    """A field has exactly this text."""

    field: str
    value: str


@dataclass(frozen=True)
class Begins:
    """A field's text begins with this."""

    field: str
    value: str


@dataclass(frozen=True)
class Has:
    """A record has this field, and not empty."""

    field: str


@dataclass(frozen=True)
class Between:
    """A number from `low` to `high` (None: open end); `above` and `below` leave the ends themselves out."""

    field: str
    low: Number | None = None
    high: Number | None = None
    above: bool = False
    below: bool = False


@dataclass(frozen=True)
class Not:
    part: "Tree"


@dataclass(frozen=True)
class And:
    parts: tuple["Tree", ...]


@dataclass(frozen=True)
class Or:
    parts: tuple["Tree", ...]


Tree: TypeAlias = Everything | Words | Is | Begins | Has | Between | Not | And | Or


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a text: runs of letters and digits, in lower case."""
    return tuple(_WORD.findall(text.lower()))


def text_of(tree: Tree) -> str:  # noqa: PLR0911  (one for each kind of part)
    """Return a query that is read as this tree."""
    match tree:
        case Everything():
            return "*"
        case Words(words, begins):
            return f"{words[0]}*" if begins else _quoted(" ".join(words))
        case Is(field, value):
            return f"{field}:{_quoted(value)}"
        case Begins(field, value):
            return f"{field}:{value}*" if _plain(value) else f"{field}:{_quoted(value)}*"
        case Has(field):
            return f"{field}:*"
        case Between():
            return f"{tree.field}:{_between(tree)}"
        case Not(part):
            return f"NOT {_inner(part)}"
        case And(parts):
            return " AND ".join(map(_inner, parts))
        case Or(parts):
            return " OR ".join(map(_inner, parts))


def fields_of(tree: Tree) -> frozenset[str]:
    """Return the fields that a query names; bare words ask the message."""
    match tree:
        case Everything():
            return frozenset()
        case Words():
            return frozenset((MESSAGE,))
        case Not(part):
            return fields_of(part)
        case And(parts) | Or(parts):
            return frozenset().union(*map(fields_of, parts))
        case _:
            return frozenset((tree.field,))


def _inner(tree: Tree) -> str:
    return f"({text_of(tree)})" if isinstance(tree, And | Or) else text_of(tree)


def _between(tree: Between) -> str:
    match tree:
        case Between(_, low, None) if low is not None:
            return f"{'>' if tree.above else '>='}{_written(low)}"
        case Between(_, None, high) if high is not None:
            return f"{'<' if tree.below else '<='}{_written(high)}"
        case Between(_, low, high) if low is not None and high is not None:
            return _written(low) if low == high else f"[{_written(low)} TO {_written(high)}]"
        case _:
            raise ValueError(f"{tree} has no end")


def _written(number: Number) -> str:
    return format(Decimal(repr(number)), "f")


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _plain(value: str) -> bool:
    return bool(_PLAIN.fullmatch(value))
