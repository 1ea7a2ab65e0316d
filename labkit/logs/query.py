"""The query language: a part of Lucene's, as a syntax tree.

    status:500 AND model:forest              fields of a record
    request_id:4f0c*                         begins with (only at the end)
    model:*                                  the record has that field, and not empty
    duration_us:>=50000  status:[500 TO 599] sizes of numbers; * is an open end
    timeout  "could not connect"  time*      words of the message, in any case of letters
    NOT event:edge  (a OR b) AND c           NOT before AND before OR

What stands beside another needs AND or OR: Lucene would take a missing one for OR, most people mean AND.
"""

import re
from typing import Final

from labkit.errors import CannotRun
from labkit.logs.fields import MESSAGE, NUMBERS, is_number
from labkit.logs.tree import And, Begins, Between, Everything, Has, Is, Not, Number, Or, Tree, Words, words_of

LONGEST, DEEPEST, LONGEST_WORD, LONGEST_PHRASE = 2000, 40, 200, 6


class WrongQuery(CannotRun):
    """A query cannot be read; the text names the column, what was expected there and what was found."""


def parse(text: str) -> Tree:
    """Return the tree of a query; an empty one and * stand for everything. Raises WrongQuery."""
    return _Parser(text).whole()


NAME: Final = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")
_VALUE: Final = re.compile(r'[^\s()"*?\\]+')
_CONNECTIVES: Final = ("AND", "OR", "NOT")
# A run of characters that belong together, for words, numbers and what an error shows.
_RUN: Final = re.compile(r'[^\s():"]+')
_SPACE: Final = re.compile(r"\s*")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_COMPARED: Final = re.compile(r"(>=|<=|>|<)")
_RANGE: Final = re.compile(r"\[\s*(\S+)\s+TO\s+([^\s\]]+)\s*\]")


class _Parser:
    """Reads one query from left to right; `at` is where it stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def whole(self) -> Tree:
        if len(self.text) > LONGEST:
            raise WrongQuery(f"the query has {len(self.text)} characters; at most {LONGEST}: ask for less at once")
        if any("\ud800" <= sign <= "\udfff" for sign in self.text):
            raise WrongQuery(f"the query {self.text[:40]!r} is no UTF-8; type it again")
        self._space()
        if self._ended():
            return Everything()
        tree = self._any_of()
        if not self._ended():
            raise self._wrong("AND, OR or the end", "several words in a row: put them in quotes")
        return tree

    def _any_of(self) -> Tree:
        self._deeper()
        parts = [self._all_of()]
        while self._take("OR"):
            parts.append(self._all_of())
        self.depth -= 1
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all_of(self) -> Tree:
        parts = [self._negated()]
        while self._take("AND"):
            parts.append(self._negated())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _negated(self) -> Tree:
        if not self._take("NOT"):
            return self._term()
        self._deeper()
        part = self._negated()
        self.depth -= 1
        return Not(part)

    def _term(self) -> Tree:
        start = self.at
        run = _RUN.match(self.text, start)
        if self._peek() == "(":
            tree = self._group()
        elif self._peek() == '"':
            tree = self._words(start, self._quotation())
        elif run is None or run.group() in _CONNECTIVES:
            raise self._wrong('a word, "a phrase", field:value, NOT or (')
        elif self.text[run.end() : run.end() + 1] == ":":
            tree = self._field(run.group())
        else:
            self.at = run.end()
            tree = Everything() if run.group() == "*" else self._words(start, run.group(), may_begin=True)
        self._space()
        return tree

    def _group(self) -> Tree:
        self.at += 1
        self._space()
        tree = self._any_of()
        if self._peek() != ")":
            raise self._wrong("AND, OR or )")
        self.at += 1
        return tree

    def _field(self, name: str) -> Tree:
        if not NAME.fullmatch(name):
            raise self._wrong("a field's name before the colon", "a text with a colon in it: put it in quotes")
        self.at += len(name) + 1
        if self._ended() or self.text[self.at].isspace():
            raise self._wrong(f"a value right after {name}:", f"such as {name}:{500 if is_number(name) else 'iris'}")
        tree = self._value(name)
        if not (self._ended() or self._peek() == ")" or self._peek().isspace()):
            raise self._wrong("a space, ) or the end after the value", "a value with other signs: put it in quotes")
        return tree

    def _value(self, name: str) -> Tree:
        start = self.at
        if self._peek() == "[":
            return self._range(name)
        if sign := _COMPARED.match(self.text, start):
            self.at = sign.end()
            return self._compared(name, sign.group(), start)
        if self._peek() == '"':
            value = self._quotation()
        else:
            found = _VALUE.match(self.text, start)
            value = found.group() if found else ""
            self.at += len(value)
        if self._peek() == "*":
            self.at += 1
            return self._begins(name, value, start) if value else Has(name)
        if self.at == start or self._peek() == "?":
            raise self._wrong(f"a value of {name}", "* stands only at its end; other signs: put the value in quotes")
        return self._exactly(name, value, start)

    def _exactly(self, name: str, value: str, start: int) -> Tree:
        if name == MESSAGE:
            return self._words(start, value)
        if is_number(name):
            number = self._number(name, value, start)
            return Between(name, number, number)
        return Is(name, value)

    def _begins(self, name: str, value: str, start: int) -> Tree:
        if name == MESSAGE:
            return self._words(start, f"{value}*", may_begin=True)
        if is_number(name):
            raise self._wrong("a number", f"{name} has sizes: write {name}:[500 TO 599]", start)
        return Begins(name, value)

    def _compared(self, name: str, sign: str, start: int) -> Tree:
        self._must_have_sizes(name, start)
        value = _VALUE.match(self.text, self.at)
        number = self._number(name, value.group() if value else "", self.at)
        self.at = value.end() if value else self.at
        if sign.startswith(">"):
            return Between(name, low=number, above=sign == ">")
        return Between(name, high=number, below=sign == "<")

    def _range(self, name: str) -> Tree:
        self._must_have_sizes(name, self.at)
        found = _RANGE.match(self.text, self.at)
        if found is None:
            raise self._wrong("[LOW TO HIGH]", f"such as {name}:[500 TO 599]")
        low, high = (
            None if part == "*" else self._number(name, part, found.start(place))
            for place, part in enumerate(found.groups(), 1)
        )
        self.at = found.end()
        return Has(name) if low is None and high is None else Between(name, low, high)

    def _must_have_sizes(self, name: str, at: int) -> None:
        if not is_number(name):
            raise self._wrong(f"a text, since {name} has no sizes", f"these have: {', '.join(NUMBERS)}", at)

    def _number(self, name: str, value: str, at: int) -> Number:
        if not _NUMBER.fullmatch(value):
            raise self._wrong(f"a number for {name}", f"such as {name}:500", at)
        return float(value) if "." in value else int(value)

    def _words(self, start: int, text: str, *, may_begin: bool = False) -> Tree:
        begins = may_begin and text.endswith("*")
        found = words_of(text)
        if not found:
            raise self._wrong("a word: letters or digits", None, start)
        if may_begin and ("*" in text[:-1] or "?" in text or (begins and found != (text[:-1].lower(),))):
            raise self._wrong("letters and digits, at most with one * behind them", "else: put it in quotes", start)
        if len(found) > LONGEST_PHRASE:
            raise self._wrong(f"at most {LONGEST_PHRASE} words in a row", "more: two phrases with AND", start)
        if max(map(len, found)) > LONGEST_WORD:
            raise self._wrong(f"words of at most {LONGEST_WORD} characters", None, start)
        return Words(found, begins)

    def _quotation(self) -> str:
        found = _QUOTED.match(self.text, self.at)
        if found is None:
            raise self._wrong('a closing "', 'a " inside is written \\"')
        self.at = found.end()
        return re.sub(r"\\(.)", r"\1", found.group(1), flags=re.DOTALL)

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self._wrong("a simpler query", f"at most {DEEPEST} levels of parentheses and NOT")

    def _take(self, connective: str) -> bool:
        run = _RUN.match(self.text, self.at)
        if run is None or run.group() != connective or self.text[run.end() : run.end() + 1] == ":":
            return False
        self.at = run.end()
        self._space()
        return True

    def _space(self) -> None:
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _ended(self) -> bool:
        return self.at >= len(self.text)

    def _wrong(self, expected: str, hint: str | None = None, at: int | None = None) -> WrongQuery:
        at = self.at if at is None else at
        run = _RUN.match(self.text, at)
        found = "the end" if at >= len(self.text) else repr(run.group()[:30] if run else self.text[at])
        text = f"query, column {at + 1}: expected {expected}, found {found}"
        return WrongQuery(f"{text}; {hint}" if hint else text)
