"""Template variables: what a file defines, what a reader chose, how it is written into a query."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

ALL = "$__all"
LONGEST = 200  # characters of a chosen value

_LABEL_VALUES = re.compile(
    r"^\s*label_values\(\s*(?:(?P<selector>.+?)\s*,\s*)?(?P<label>[A-Za-z_]\w*)\s*\)\s*$", re.DOTALL
)
_REGEX_SPECIAL = re.compile(r"[\\^$*{}\[\]+?.()|]")

Kind = Literal["query", "custom", "constant", "interval", "textbox"]


class WrongValue(ValueError):
    """A value that the variable does not have."""


@dataclass(frozen=True)
class Variable:
    """One template variable; `options` are known beforehand for all kinds but "query"."""

    name: str
    kind: str
    label: str
    query: str
    options: tuple[str, ...]
    several: bool  # more than one value at once: written as a regular expression
    has_all: bool
    all_value: str
    regex: str
    default: tuple[str, ...]
    hidden: bool

    def values(self, chosen: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
        """Return what was chosen, else the default. Raises WrongValue."""
        values = chosen.get(self.name) or self.default or ((ALL,) if self.has_all else self.options[:1])
        for value in values:
            if len(value) > LONGEST:
                raise WrongValue(f"variable {self.name}: a value of {len(value)} characters; at most {LONGEST}")
            known = value in self.options or self.kind in {"query", "textbox"} or (value == ALL and self.has_all)
            if not known:
                raise WrongValue(f"variable {self.name} has no value {value!r}; it has: {', '.join(self.options)}")
        return values

    def written(self, chosen: Mapping[str, tuple[str, ...]]) -> str:
        """Return the text that stands for the variable in PromQL, escaped for its place inside quotes."""
        values = self.values(chosen)
        if ALL in values:
            return self.all_value or ".*"
        if self.kind != "query":
            return "|".join(values)
        if not (self.several or self.has_all):
            return _quoted(values[0]) if values else ""
        exact = [_quoted(_REGEX_SPECIAL.sub(r"\\\g<0>", value)) for value in values]
        return exact[0] if len(exact) == 1 else f"({'|'.join(exact)})"

    def written_lucene(self, chosen: Mapping[str, tuple[str, ...]]) -> str:
        """Return the same for a query of logs: `*`, one quoted value, or several with OR."""
        values = self.values(chosen)
        if ALL in values:
            return "*"
        if self.kind == "textbox":
            return values[0] if values else "*"
        quoted = [f'"{_quoted(value)}"' for value in values]
        return quoted[0] if len(quoted) == 1 else f"({' OR '.join(quoted)})"


def variables(model: Mapping[str, Any]) -> tuple[Variable, ...]:
    """Read the variables of a dashboard; data sources are fixed here, so variables that choose one are left out."""
    found = model.get("templating", {}).get("list", ())
    return tuple(_variable(one) for one in found if one.get("type") != "datasource")


def label_values(query: str) -> tuple[str, str]:
    """Take `label_values(selector, label)` or `label_values(label)` apart: selector (may be empty) and label.

    Raises WrongValue for any other query.
    """
    match = _LABEL_VALUES.match(query)
    if match is None:
        raise WrongValue(f"the query of a variable is {query!r}; drawn here is label_values(SELECTOR, LABEL) only")
    return match["selector"] or "", match["label"]


def _variable(one: Mapping[str, Any]) -> Variable:
    query = one.get("query") or one.get("definition") or ""
    if isinstance(query, Mapping):  # newer files: {"query": ..., "refId": ...}
        query = query.get("query", "")
    current = one.get("current") or {}
    value = current.get("value") or ()
    kind = str(one.get("type", "query"))
    options = _known(kind, str(query))
    return Variable(
        name=str(one["name"]),
        kind=kind,
        label=str(one.get("label") or one["name"]),
        query=str(query),
        options=options,
        several=bool(one.get("multi")),
        has_all=bool(one.get("includeAll")),
        all_value=str(one.get("allValue") or ""),
        regex=str(one.get("regex") or "").strip("/"),
        default=(value,) if isinstance(value, str) else tuple(value),
        hidden=one.get("hide") == 2,
    )


def _known(kind: str, query: str) -> tuple[str, ...]:
    if kind in {"custom", "interval"}:
        return tuple(part.split(" : ")[-1].strip() for part in query.split(",") if part.strip())
    return (query,) if kind in {"constant", "textbox"} else ()


def _quoted(value: str) -> str:
    """Escape for a place between double quotes, in PromQL and in Lucene's language."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
