"""The routes file is understood as a whole, or not at all; it is read when it has changed."""

import json
import os

import pytest

from app.adapters.routes_file import RoutesFile
from app.core.errors import WrongRoutes
from app.core.routes import Route, decode_routes, surplus


def test_a_file_as_the_lab_writes_it_is_understood():
    content = (
        b'{"sentiment": {"stable": "v1", "canary": "v2", "weight": 10, "previous": null}, "iris": {"stable": "v1"}}'
    )
    assert decode_routes(content) == {"sentiment": Route("v1", "v2", 10.0), "iris": Route("v1")}


@pytest.mark.parametrize(
    ("route", "named"),
    [
        ({}, "stable"),
        ({"stable": "1"}, "stable"),
        ({"stable": "v0"}, "stable"),
        ({"stable": "v1/../v2"}, "stable"),
        ({"stable": "v1", "canary": "v2", "weight": 101}, "weight"),
        ({"stable": "v1", "canary": "v2", "weight": -1}, "weight"),
        ({"stable": "v1", "canary": "v2", "weight": "10"}, "weight"),
        ({"stable": "v1", "weight": 10}, "weight 10, but no canary"),
        ({"stable": "v1", "canary": "v1", "weight": 10}, "v1 is the stable version and the canary"),
        ({"stable": "v1", "share": 0.1}, "share"),
        ([], "object"),
    ],
)
def test_a_wrong_route_is_refused_with_what_is_wrong(route, named):
    with pytest.raises(WrongRoutes, match=named):
        decode_routes(json.dumps({"sentiment": route}).encode())


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"a": \xff}', b"[" * 100_000])
def test_what_is_no_routes_file_is_refused(content):
    with pytest.raises(WrongRoutes, match="not a routes file"):
        decode_routes(content)


@pytest.mark.parametrize(
    ("versions", "route", "gone"),
    [
        ("v1 v2 v3", Route("v3"), []),
        ("v1 v2 v3 v4", Route("v4"), ["v1"]),
        ("v1 v2 v3 v4", Route("v1", "v4", 5, "v2"), ["v3"]),
        ("v1 v2 v3 v4 v5", Route("v4", "v5", 5, "v2"), ["v1", "v3"]),
        ("v1 v2 v3 v4 v5 v6", Route("v1"), ["v2", "v3", "v4"]),
    ],
)
def test_the_oldest_that_nobody_needs_are_forgotten_when_there_are_more_than_three(versions, route, gone):
    assert surplus(dict.fromkeys(versions.split()), route) == gone


def test_a_file_is_read_once_and_again_when_it_was_replaced(tmp_path):
    path = tmp_path / "routes.json"
    routes = RoutesFile(path)
    assert routes.changed() is None
    path.write_bytes(b'{"iris": {"stable": "v1"}}')
    assert routes.changed() == {"iris": Route("v1")}
    assert routes.changed() is None
    # Of the same length and time: it is another file all the same.
    facts = path.stat()
    other = tmp_path / "other"
    other.write_bytes(b'{"iris": {"stable": "v2"}}')
    os.utime(other, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    other.replace(path)
    assert routes.changed() == {"iris": Route("v2")}
    path.unlink()
    assert routes.changed() is None
    path.mkdir()
    with pytest.raises(WrongRoutes, match=r"routes\.json"):
        routes.changed()
    assert routes.changed() is None


def test_a_wrong_file_is_told_of_once(tmp_path):
    path = tmp_path / "routes.json"
    path.write_bytes(b"{")
    routes = RoutesFile(path)
    with pytest.raises(WrongRoutes, match=r"routes\.json: not a routes file"):
        routes.changed()
    assert routes.changed() is None
