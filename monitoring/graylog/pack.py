"""Writes content-pack.json: `python monitoring/graylog/pack.py`. The ids are made of names, so that they stay."""

import json
import uuid
from pathlib import Path
from typing import Any

PACK = Path(__file__).with_name("content-pack.json")
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://graylog.org/content-pack/observability-lab")
CREATED = "2026-11-21T00:00:00.000Z"
CONSTRAINTS = [{"type": "server-version", "version": ">=6.3.0"}]
SLOW_US = 250_000
LAST = {"type": "relative", "from": 300}
QUERY = "dashboard"

Facts = dict[str, Any]


def pack() -> Facts:
    """Return the whole pack: an input, streams, a dashboard, an event definition."""
    return {
        "v": "1",
        "id": ident("pack"),
        "rev": 1,
        "name": "Observability lab",
        "summary": "GELF input, streams, dashboard and an alert for the prediction service",
        "description": "Records of the replicas, the workers and the edge: see monitoring/graylog/README.md",
        "vendor": "Observability lab",
        "url": "",
        "created_at": CREATED,
        "server_version": "6.3.7",
        "parameters": [],
        "entities": [gelf_input(), *streams(), dashboard(), event_definition()],
    }


def ident(name: str) -> str:
    return str(uuid.uuid5(NAMESPACE, name))


def value(of: str | int | bool) -> Facts:
    kinds = {bool: "boolean", int: "integer", str: "string"}
    return {"@type": kinds[type(of)], "@value": of}


def entity(kind: str, name: str, data: Facts, version: str = "1") -> Facts:
    return {
        "v": "1",
        "type": {"name": kind, "version": version},
        "id": ident(name),
        "data": data,
        "constraints": CONSTRAINTS,
    }


def gelf_input() -> Facts:
    configuration = {
        "bind_address": "0.0.0.0",  # noqa: S104  (inside its container; the deployment publishes the port)
        "port": 12201,
        "recv_buffer_size": 4 << 20,
        "number_worker_threads": 2,
        "decompress_size_limit": 8 << 20,
    }
    data = {
        "title": value("GELF UDP of the lab"),
        "type": value("org.graylog2.inputs.gelf.udp.GELFUDPInput"),
        "global": value(True),
        "configuration": {name: value(part) for name, part in configuration.items()},
        "static_fields": {},
        "extractors": [],
    }
    return entity("input", "input", data)


def streams() -> list[Facts]:
    return [
        stream("errors", "Errors", "Answers of 500 and more, and what was logged as an error", "OR",
               rule("GREATER", "status", "499"), rule("SMALLER", "level", "4")),
        stream("jobs", "Jobs", "What the workers did with each message", "OR",
               rule("EXACT", "event", "job"), rule("EXACT", "event", "feedback")),
        stream("edge", "Edge", "Traefik's access log", "AND", rule("EXACT", "event", "edge")),
        stream("slow", "Slow requests", f"The service took more than {SLOW_US // 1000} ms", "AND",
               rule("EXACT", "event", "request"), rule("GREATER", "duration_us", str(SLOW_US))),
        stream("requests", "Requests", "Every answer of the service", "AND", rule("EXACT", "event", "request")),
    ]  # fmt: skip


def stream(name: str, title: str, description: str, matching: str, *rules: Facts) -> Facts:
    data = {
        "title": value(title),
        "description": value(description),
        "disabled": value(False),
        "matching_type": value(matching),
        "stream_rules": list(rules),
        "outputs": [],
        "default_stream": value(False),
        "remove_matches": value(False),
    }
    return entity("stream", f"stream {name}", data)


def rule(kind: str, field: str, wanted: str) -> Facts:
    return {
        "type": value(kind),
        "field": value(field),
        "value": value(wanted),
        "inverted": value(False),
        "description": value(""),
    }


def dashboard() -> Facts:
    """Return the dashboard: each widget, and the search that answers it."""
    found = [
        widget("Requests by status", 1, 1, 8, "requests", "bar", (TIME,), (top("status"),), "count()"),
        widget("Answers of 400 and more", 9, 1, 4, "requests", "numeric", (), (), "count()", query="status:>=400"),
        widget("Service time (µs)", 1, 4, 6, "requests", "line", (TIME,), (), "avg(duration_us)", "max(duration_us)"),
        widget("Slowest routes", 7, 4, 6, "slow", "table", (top("route"),), (), "count()", "max(duration_us)"),
        widget("Errors by host", 1, 7, 6, "errors", "bar", (TIME,), (top("source"),), "count()"),
        widget("Jobs by outcome", 7, 7, 6, "jobs", "bar", (TIME,), (top("outcome"),), "count()", query="event:job"),
        widget("Waiting time of jobs (ms)", 1, 10, 6, "jobs", "line", (TIME,), (), "avg(wait_ms)", "max(wait_ms)"),
        widget(
            "Edge: status by replica", 7, 10, 6, "edge", "table", (top("replica_url"), top("status")), (), "count()"
        ),
    ]
    query = {
        "id": ident(QUERY),
        "timerange": LAST,
        "filter": None,
        "filters": [],
        "query": lucene(""),
        "search_types": [one["search"] for one in found],
    }
    state = {
        "selected_fields": None,
        "static_message_list_id": None,
        "titles": {"tab": {"title": "Service"}, "widget": {one["widget"]["id"]: one["title"] for one in found}},
        "widgets": [one["widget"] for one in found],
        "widget_mapping": {one["widget"]["id"]: [one["search"]["id"]] for one in found},
        "positions": {one["widget"]["id"]: one["position"] for one in found},
        "formatting": {"highlighting": []},
        "display_mode_settings": {"positions": {}},
    }
    data = {
        "type": "DASHBOARD",
        "title": value("Prediction service"),
        "summary": value("Requests, errors, jobs and the edge"),
        "description": value(""),
        "search": {"queries": [query], "parameters": [], "requires": {}, "owner": "admin", "created_at": CREATED},
        "properties": [],
        "requires": {},
        "state": {ident(QUERY): state},
        "owner": "admin",
        "created_at": CREATED,
    }
    return entity("dashboard", "dashboard entity", data, version="2")


TIME: Facts = {
    "type": "time",
    "fields": ["timestamp"],
    "config": {"interval": {"type": "auto", "scaling": 1.0}},
}


def top(field: str) -> Facts:
    return {"type": "values", "fields": [field], "config": {"limit": 10}}


def widget(
    title: str,
    col: int,
    line: int,
    width: int,
    stream_name: str,
    visualization: str,
    rows: tuple[Facts, ...],
    columns: tuple[Facts, ...],
    *functions: str,
    query: str = "",
) -> Facts:
    """Return a widget, its place and the search behind it."""
    shared = {"timerange": LAST, "query": lucene(query), "streams": [ident(f"stream {stream_name}")], "filters": []}
    config = {
        "visualization": visualization,
        "visualization_config": None,
        "formatting_settings": None,
        "row_pivots": list(rows),
        "column_pivots": list(columns),
        "series": [{"config": {"name": None}, "function": function} for function in functions],
        "sort": [],
        "rollup": True,
        "event_annotation": False,
    }
    search = {
        "type": "pivot",
        "id": ident(f"search {title}"),
        "name": "chart",
        "filter": None,
        "row_groups": [group(one) for one in rows],
        "column_groups": [group(one) for one in columns],
        "series": [series(function) for function in functions],
        "sort": [],
        "rollup": True,
        **shared,
    }
    shown = {"id": ident(f"widget {title}"), "type": "aggregation", "filter": None, "config": config, **shared}
    position = {"col": col, "row": line, "height": 3, "width": width}
    return {"title": title, "widget": shown, "search": search, "position": position}


def group(pivot: Facts) -> Facts:
    """Return what a widget's pivot is in its search."""
    if pivot["type"] == "time":
        return {"type": "time", "fields": pivot["fields"], "interval": pivot["config"]["interval"]}
    return {"type": "values", "fields": pivot["fields"], "limit": pivot["config"]["limit"]}


def series(function: str) -> Facts:
    kind, _, field = function.rstrip(")").partition("(")
    return {"type": kind, "id": function, "field": field or None}


def lucene(text: str) -> Facts:
    return {"type": "elasticsearch", "query_string": text}


def event_definition() -> Facts:
    """Return the alert: more than 10 answers of 400 and more in a minute."""
    config = {
        "type": "aggregation-v1",
        "query": value("event:request AND status:>=400"),
        "filters": [],
        "streams": [ident("stream requests")],
        "group_by": [],
        "series": [{"type": "count", "id": "count-", "field": None}],
        "conditions": {
            "expression": {
                "expr": ">",
                "left": {"expr": "number-ref", "ref": "count-"},
                "right": {"expr": "number", "value": 10.0},
            }
        },
        "search_within_ms": 60_000,
        "execute_every_ms": 60_000,
        "use_cron_scheduling": False,
        "event_limit": 0,
    }
    data = {
        "title": value("More than 10 answers of 400 and more in a minute"),
        "description": value("Clients send what is refused, or the service fails: see the dashboard"),
        "priority": value(2),
        "alert": value(True),
        "is_scheduled": value(True),
        "config": config,
        "field_spec": {},
        "key_spec": [],
        "notification_settings": {"grace_period_ms": 60_000, "backlog_size": 10},
        "notifications": [],
        "storage": [{"type": "persist-to-streams-v1", "streams": ["000000000000000000000002"]}],
    }
    return entity("event_definition", "event definition", data)


def text() -> str:
    return json.dumps(pack(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PACK.write_text(text(), encoding="utf-8")
