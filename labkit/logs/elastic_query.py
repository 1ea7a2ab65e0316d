"""A query in Elasticsearch's own language, with the same meaning as in SQLite."""

from collections.abc import Iterable
from itertools import product
from typing import Any

from labkit.logs.fields import MESSAGE, is_column, is_number
from labkit.logs.query import NAME, WrongQuery
from labkit.logs.tree import And, Begins, Between, Everything, Has, Is, Not, Or, Tree, Words

# Signs at which Elasticsearch's analyzer does not end a word and ours does: app.worker, don't, job_id, 1,000.
JOINTS = "[._':,;’·]"
SHORTS, SHORT, LONG = ("status", "level"), 2**15 - 1, 2**63 - 1


def request(tree: Tree) -> dict[str, Any]:
    """Return the query of a tree."""
    match tree:
        case Everything():
            found: dict[str, Any] = {"match_all": {}}
        case Words():
            found = _said(tree)
        case Is(field, value):
            found = {"term": {stored_as(field): {"value": value}}}
        case Begins(field, value):
            found = {"prefix": {stored_as(field): {"value": value}}}
        case Has(field):
            found = {"bool": {"filter": [{"exists": {"field": stored_as(field)}}], "must_not": _empty(field)}}
        case Between():
            limits = _limits(tree)
            found = {"match_none": {}} if limits is None else {"range": {stored_as(tree.field): limits}}
        case Not(part):
            found = {"bool": {"must_not": [request(part)]}}
        case And(parts):
            found = {"bool": {"filter": [request(part) for part in parts]}}
        case Or(parts):
            found = {"bool": {"should": [request(part) for part in parts], "minimum_should_match": 1}}
    return found


def stored_as(field: str) -> str:
    """Return a field's name in a document. Raises WrongQuery for what is no name."""
    if not NAME.fullmatch(field):
        raise WrongQuery(f"{field!r} is no name of a field: letters, digits, . and -, such as job_id")
    return field if is_column(field) else f"fields.{field}"


def read_from_documents(fields: Iterable[str]) -> dict[str, Any]:
    """Return the runtime mappings of those fields that no index has: each is read from the stored document."""
    others = sorted(field for field in fields if not is_column(field))
    return {stored_as(field): {"type": "double" if is_number(field) else "keyword"} for field in others}


def _empty(field: str) -> list[dict[str, Any]]:
    return [] if is_number(field) or field == MESSAGE else [{"term": {stored_as(field): {"value": ""}}}]


def _limits(tree: Between) -> dict[str, Any] | None:
    """Return the ends of a range, None when no number of that field lies in it: beyond its type they are refused."""
    most = SHORT if tree.field in SHORTS else LONG
    if (tree.low is not None and tree.low > most) or (tree.high is not None and tree.high < -most):
        return None
    limits = {
        "gt" if tree.above else "gte": tree.low if tree.low is None or tree.low >= -most else None,
        "lt" if tree.below else "lte": tree.high if tree.high is None or tree.high <= most else None,
    }
    return {name: limit for name, limit in limits.items() if limit is not None}


def _said(tree: Words) -> dict[str, Any]:
    """A word may be a part of one that Elasticsearch keeps as a whole: every way to cut the phrase is asked for."""
    ways = []
    for cuts in product((False, True), repeat=len(tree.words) - 1):
        groups = [[tree.words[0]]]
        for word, cut in zip(tree.words[1:], cuts, strict=True):
            groups.append([word]) if cut else groups[-1].append(word)
        last = len(groups) - 1
        tokens = [_token(group, first=n == 0, last=n == last, begins=tree.begins) for n, group in enumerate(groups)]
        ways.append({"all_of": {"ordered": True, "max_gaps": 0, "intervals": tokens}})
    return {"intervals": {MESSAGE: {"any_of": {"intervals": ways}}}}


def _token(words: list[str], *, first: bool, last: bool, begins: bool) -> dict[str, Any]:
    """Return what finds a token that is these words, which may be the end of the first one or begin the last one."""
    if len(words) == 1 and not first and not last:
        return {"match": {"query": words[0]}}
    end = ".*" if begins else f"({JOINTS}.*)?" if last else ""
    return {"regexp": {"pattern": f"{f'(.*{JOINTS})?' if first else ''}{JOINTS.join(words)}{end}"}}
