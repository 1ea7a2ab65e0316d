"""Graylog's content pack is what its loader takes: a file that does not parse would be passed over with one line."""

import json
import runpy
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.telemetry.events import Feedback, Job, Request

FOLDER = Path(__file__).parents[2] / "monitoring" / "graylog"
Facts = dict[str, Any]

# What Graylog calls by other names than GELF, or adds, and what the collector's edge records bring.
GRAYLOGS_OWN = {"timestamp", "source", "message", "full_message", "level"}
EDGES_OWN = {"origin_duration_us", "replica_url", "retries"}


@pytest.fixture(scope="module")
def pack() -> Facts:
    found: Facts = json.loads((FOLDER / "content-pack.json").read_text(encoding="utf-8"))
    return found


def of_type(pack: Facts, kind: str) -> list[Facts]:
    return [entity for entity in pack["entities"] if entity["type"]["name"] == kind]


def inside(found: Any) -> Iterator[Facts]:
    """Yield every object in a JSON value."""
    if isinstance(found, dict):
        yield found
        for value in found.values():
            yield from inside(value)
    elif isinstance(found, list):
        for value in found:
            yield from inside(value)


def our_fields() -> set[str]:
    """Return the names that our records have in Graylog: GELF's additional fields without their underscore."""
    records = {name for kind in (Request, Job, Feedback) for name in kind.__struct_fields__}
    standard = {"version", "host", "short_message"}
    return (records - standard) | {"event", "logger"} | GRAYLOGS_OWN | EDGES_OWN


def test_the_pack_is_equal_to_its_generator(pack: Facts) -> None:
    assert (FOLDER / "content-pack.json").read_text(encoding="utf-8") == runpy.run_path(str(FOLDER / "pack.py"))[
        "text"
    ]()


def test_the_pack_has_what_the_loader_asks_for(pack: Facts) -> None:
    required = {"v", "id", "rev", "name", "summary", "description", "vendor", "url", "parameters", "entities"}
    assert required <= pack.keys()
    assert (pack["v"], pack["rev"]) == ("1", 1)
    uuid.UUID(pack["id"])
    # The loader does not install packs with parameters.
    assert pack["parameters"] == []
    assert not [one for one in inside(pack) if one.get("@type") == "parameter"]


def test_every_entity_is_whole(pack: Facts) -> None:
    for entity in pack["entities"]:
        assert {"v", "type", "id", "data", "constraints"} == entity.keys()
        assert entity["type"].keys() == {"name", "version"}
        uuid.UUID(entity["id"])
    ids = [entity["id"] for entity in pack["entities"]]
    assert len(set(ids)) == len(ids)
    kinds = [entity["type"]["name"] for entity in pack["entities"]]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "input": 1, "stream": 5, "dashboard": 1, "event_definition": 1,
    }  # fmt: skip


def test_values_have_the_type_that_they_say(pack: Facts) -> None:
    types = {"string": str, "integer": int, "boolean": bool}
    values = [one for one in inside(pack) if "@type" in one]
    assert len(values) > 50
    assert all(type(one["@value"]) is types[one["@type"]] for one in values)


def test_streams_that_are_named_are_in_the_pack(pack: Facts) -> None:
    streams = {entity["id"] for entity in of_type(pack, "stream")}
    named = [stream for entity in pack["entities"] for one in inside(entity["data"])
             if one.get("type") != "persist-to-streams-v1" for stream in one.get("streams", [])]  # fmt: skip
    assert len(named) > 10
    assert set(named) <= streams


def test_each_widget_has_its_search_its_place_and_its_title(pack: Facts) -> None:
    (dashboard,) = of_type(pack, "dashboard")
    assert dashboard["type"]["version"] == "2"
    (query,) = dashboard["data"]["search"]["queries"]
    state = dashboard["data"]["state"][query["id"]]
    widgets = {widget["id"]: widget for widget in state["widgets"]}
    searches = {search["id"]: search for search in query["search_types"]}
    assert (
        widgets.keys()
        == state["widget_mapping"].keys()
        == state["positions"].keys()
        == state["titles"]["widget"].keys()
    )
    assert [one for found in state["widget_mapping"].values() for one in found] == list(searches)
    for ident, (search,) in state["widget_mapping"].items():
        widget, behind = widgets[ident], searches[search]
        assert (widget["query"], widget["streams"]) == (behind["query"], behind["streams"])
        assert [one["function"] for one in widget["config"]["series"]] == [one["id"] for one in behind["series"]]
    places = [(one["row"], one["col"], one["width"]) for one in state["positions"].values()]
    assert all(col + width <= 13 for _, col, width in places)
    assert len({(line, col) for line, col, _ in places}) == len(places)


def test_only_fields_that_our_records_have_are_named(pack: Facts) -> None:
    named = {rule["field"]["@value"] for entity in of_type(pack, "stream") for rule in entity["data"]["stream_rules"]}
    for one in inside(pack):
        named |= set(one.get("fields") or ()) | ({one["field"]} if isinstance(one.get("field"), str) else set())
        if one.get("type") == "elasticsearch":
            named |= {word.partition(":")[0] for word in one["query_string"].split() if ":" in word}
    (event,) = of_type(pack, "event_definition")
    named |= {word.partition(":")[0] for word in event["data"]["config"]["query"]["@value"].split() if ":" in word}
    assert {"status", "event", "duration_us", "outcome"} <= named
    assert named <= our_fields()


def test_the_alert_is_more_than_ten_answers_of_400_and_more_in_a_minute(pack: Facts) -> None:
    (entity,) = of_type(pack, "event_definition")
    config = entity["data"]["config"]
    assert config["query"]["@value"] == "event:request AND status:>=400"
    assert config["conditions"]["expression"] == {
        "expr": ">",
        "left": {"expr": "number-ref", "ref": config["series"][0]["id"]},
        "right": {"expr": "number", "value": 10.0},
    }
    assert config["search_within_ms"] == config["execute_every_ms"] == 60_000
    assert entity["data"]["alert"]["@value"] is True


def test_the_input_listens_where_graylog_does(pack: Facts) -> None:
    (entity,) = of_type(pack, "input")
    assert entity["data"]["type"]["@value"] == "org.graylog2.inputs.gelf.udp.GELFUDPInput"
    assert entity["data"]["configuration"]["port"]["@value"] == 12201
