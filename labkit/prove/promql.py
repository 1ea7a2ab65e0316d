"""As much of PromQL as the proof needs: the comparisons of an alert, the metrics that an expression names."""

import re
from dataclasses import dataclass

_STRING = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|`[^`]*`')
_COMPARISON = re.compile(r"==|!=|>=|<=|>|<")
_SET = re.compile(r"\b(?:and|or|unless)\b(?:\s*(?:on|ignoring)\s*\([^)]*\))?", re.IGNORECASE)
_ABSENT = re.compile(r"absent\s*\((?P<inner>.*)\)\Z", re.DOTALL)
_LABEL_LISTS = re.compile(
    r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)|\{[^{}]*\}|\[[^\[\]]*\]", re.IGNORECASE
)
_DURATION = re.compile(r"\b\d+(?:\.\d+)?(?:ms|[smhdwy])(?:\d+(?:ms|[smhdwy]))*\b")
_NAME = re.compile(r"(?<![\w:.])[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])")
_WORDS = frozenset(
    ("and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset", "inf",
     "nan", "atan2", "start", "end")
)  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """The value that an alert looks at, and the number it is held against (None: its mere presence counts)."""

    value: str
    bound: float | None


def comparisons(expression: str) -> list[Comparison]:
    """Take `(VALUE) > number and (VALUE) > number …` apart; of `absent(VALUE)` the value is what must be there."""
    return [_comparison(part) for part in _split(expression, _SET)]


def _comparison(part: str) -> Comparison:
    part = _bare(part)
    if absent := _ABSENT.match(part):
        return Comparison(absent["inner"].strip(), None)
    sides = _split(part, _COMPARISON)
    if len(sides) == 2:
        try:
            return Comparison(_bare(sides[0]), float(sides[1]))
        except ValueError:
            pass
    return Comparison(part, None)


def _split(text: str, at: re.Pattern[str]) -> list[str]:
    """Split where the pattern stands outside of all brackets and strings."""
    masked = _masked(text)
    parts, begin = [], 0
    for match in at.finditer(masked):
        parts.append(text[begin : match.start()].strip())
        begin = match.end()
    return [*parts, text[begin:].strip()]


def _masked(text: str) -> str:
    """Return the text with everything inside brackets and strings blanked out, of the same length."""
    hidden = _STRING.sub(lambda match: " " * len(match[0]), text)
    shown, depth = [], 0
    # The list after `on` is part of the operator that stands before it.
    lists = {at for match in re.finditer(r"\b(?:on|ignoring)\s*(\([^)]*\))", hidden) for at in range(*match.span(1))}
    for at, letter in enumerate(hidden):
        depth += letter in "([{" and at not in lists
        shown.append(letter if not depth else " ")
        depth -= letter in ")]}" and at not in lists
    return "".join(shown)


def _bare(text: str) -> str:
    """Take off brackets around the whole."""
    text = text.strip()
    while text.startswith("(") and text.endswith(")") and not _masked(text).strip():
        if _closes_early(text):
            break
        text = text[1:-1].strip()
    return text


def _closes_early(text: str) -> bool:
    """True for `(a) + (b)`: the first bracket is not closed by the last one."""
    depth = 0
    hidden = _STRING.sub(lambda match: " " * len(match[0]), text)
    for at, letter in enumerate(hidden):
        depth += (letter == "(") - (letter == ")")
        if not depth:
            return at < len(text) - 1
    return False


def metric_names(expression: str) -> set[str]:
    """Return the metrics and recorded series that an expression names."""
    bare = _LABEL_LISTS.sub(" ", _STRING.sub(" ", expression))
    return {name for name in _NAME.findall(_DURATION.sub(" ", bare)) if name.lower() not in _WORDS}
