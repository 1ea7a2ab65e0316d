"""The query language of logs: what is written is read back, what cannot be read is placed and explained."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.logs.elastic_query import read_from_documents, request
from labkit.logs.fields import DOCUMENTED, MESSAGE, NUMBERS
from labkit.logs.query import DEEPEST, LONGEST, WrongQuery, parse
from labkit.logs.sql import condition
from labkit.logs.tree import And, Begins, Between, Everything, Has, Is, Not, Or, Tree, Words, fields_of, text_of

texts = st.sampled_from([name for name in DOCUMENTED if name not in (*NUMBERS, MESSAGE)]) | st.from_regex(
    r"[a-z][a-z0-9_.-]{0,8}", fullmatch=True
).filter(lambda name: name not in (*NUMBERS, MESSAGE))
numbers = st.sampled_from(NUMBERS)
sizes = st.integers(-(10**15) + 1, 10**15 - 1) | st.decimals("-99999", "99999", places=6).map(float)
values = st.text(st.characters(codec="utf-8"), max_size=20)
words = st.text(string.ascii_lowercase + string.digits + "ñé", min_size=1, max_size=9)
open_ended = st.builds(Between, numbers, low=sizes, above=st.booleans()) | st.builds(
    Between, numbers, high=sizes, below=st.booleans()
)
leaves: st.SearchStrategy[Tree] = st.one_of(
    st.builds(Words, st.lists(words, min_size=1, max_size=3).map(tuple)),
    st.builds(Words, words.map(lambda word: (word,)), st.just(True)),
    st.builds(Is, texts, values),
    st.builds(Begins, texts, values.filter(bool)),
    st.builds(Has, texts | numbers),
    open_ended,
    st.builds(Between, numbers, sizes, sizes),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


@given(trees)
def test_a_tree_written_as_a_query_is_read_as_the_same_tree(tree: Tree) -> None:
    assert parse(text_of(tree)) == tree


@given(st.text(st.sampled_from(list(string.printable)), max_size=60))
def test_any_text_is_a_query_or_refused_at_a_place_in_it(text: str) -> None:
    tree, error = parsed(text)
    if tree is None:
        assert error.startswith("query, column ")
        assert 1 <= int(error.split()[2].rstrip(":")) <= len(text) + 1
    else:
        # Both stores can be asked it, and no value got into the text of the condition.
        sql, parameters = condition(tree)
        assert sql.count("?") == len(parameters)
        assert request(tree)


def parsed(text: str) -> tuple[Tree | None, str]:
    try:
        return parse(text), ""
    except WrongQuery as error:
        return None, str(error)


def test_and_binds_tighter_than_or_and_not_tightest() -> None:
    a, b, c = (Between("status", code, code) for code in (1, 2, 3))
    assert parse("status:1 OR status:2 AND NOT status:3") == Or((a, And((b, Not(c)))))
    assert parse("(status:1 OR status:2) AND status:3") == And((Or((a, b)), c))
    assert parse("  ") == parse("*") == Everything()


@pytest.mark.parametrize(
    ("query", "column", "says"),
    [
        ("status:", 8, "expected a value right after status:, found the end; such as status:500"),
        ("status: 500", 8, "expected a value right after status:"),
        ("status:abc", 8, "expected a number for status, found 'abc'"),
        ("status:5*", 8, "expected a number, found '5*'; status has sizes: write status:[500 TO 599]"),
        ("status:[500]", 8, "expected [LOW TO HIGH]"),
        ("status:[500 TO x]", 16, "expected a number for status, found 'x]'"),
        ("status:>", 9, "expected a number for status, found the end"),
        ("model:>=iris", 7, "since model has no sizes"),
        ("model:[a TO b]", 7, "since model has no sizes"),
        ("model:f*t", 9, "expected a space, ) or the end"),
        ("model:f?t", 8, "expected a value of model"),
        ("model:*t", 8, "expected a space, ) or the end"),
        ('model:"iris', 7, 'expected a closing "'),
        ("model:iris status:500", 12, "expected AND, OR or the end, found 'status'"),
        ("model:iris and status:500", 12, "expected AND, OR or the end, found 'and'"),
        ("not ready", 5, "several words in a row: put them in quotes"),
        ("model:iris AND", 15, "found the end"),
        ("AND model:iris", 1, "found 'AND'"),
        ("(model:iris", 12, "expected AND, OR or )"),
        ("model:iris)", 11, "expected AND, OR or the end, found ')'"),
        ("()", 2, "expected a word"),
        ("---", 1, "expected a word: letters or digits"),
        ("ti*me", 1, "at most with one *"),
        ("/models/for*", 1, "put it in quotes"),
        ('"a b c d e f g"', 1, "at most 6 words in a row"),
        ("-status:500", 1, "expected a field's name"),
        ("x" * 201, 1, "at most 200 characters"),
        ("(" * (DEEPEST + 1), DEEPEST + 1, f"at most {DEEPEST} levels"),
        ("NOT " * (DEEPEST + 1) + "x", 4 * DEEPEST + 1, f"at most {DEEPEST} levels"),
    ],
)
def test_an_error_names_the_place_what_was_expected_and_what_was_found(query: str, column: int, says: str) -> None:
    with pytest.raises(WrongQuery) as refused:
        parse(query)
    assert str(refused.value).startswith(f"query, column {column}: expected ")
    assert says in str(refused.value)


def test_a_query_is_bounded_in_length_and_is_utf_8() -> None:
    with pytest.raises(WrongQuery, match=f"at most {LONGEST}"):
        parse("x" * (LONGEST + 1))
    with pytest.raises(WrongQuery, match="no UTF-8"):
        parse("model:\udc80")


HOSTILE = ("' OR 1=1 --", '"; DROP TABLE records; --', "%", "?", "x') UNION SELECT 1 --", "\x00", '\\"', "NEAR(a b)")


@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_becomes_a_part_of_a_statement(value: str) -> None:
    """The statement is the same for every value; the value arrives whole, among the parameters."""
    for build in (Is, Begins):
        for field in ("request_id", "path", "job_id"):
            harmless: Any = build(field, "abc" if field == "request_id" else "x")
            tree = parse(text_of(build(field, value)))
            sql, parameters = condition(tree)
            assert sql == condition(harmless)[0] or field == "request_id"
            assert value in parameters
            assert value not in sql or value == "?"


def test_a_name_that_is_no_field_is_refused_where_no_parser_has_seen_it() -> None:
    with pytest.raises(WrongQuery, match="no name of a field"):
        condition(Has('x"), 1)--'))
    with pytest.raises(WrongQuery, match="no name of a field"):
        request(Has("x\ny"))


def test_the_fields_of_a_query_are_known() -> None:
    tree = parse("NOT model:iris AND (job_id:a* OR status:>1) AND word")
    assert fields_of(tree) == {"model", "job_id", "status", "message"}
    assert read_from_documents(fields_of(tree) | {"wait_ms"}) == {
        "fields.job_id": {"type": "keyword"},
        "fields.wait_ms": {"type": "double"},
    }
