"""A real collector in front of a real Elasticsearch."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.collector_process import Collector, encoded, message, running_collector
from tests.elasticsearch_server import ElasticsearchServer, running_elasticsearch
from tests.eventually import eventually
from tests.service import ROOT

ALIAS = "lab-logs"


@pytest.fixture
def empty(elasticsearch: ElasticsearchServer) -> ElasticsearchServer:
    """The shared node, without any logs."""
    for index in elasticsearch.ask("GET", "/_cat/indices?format=json"):
        elasticsearch.ask("DELETE", f"/{index['index']}")
    with contextlib.suppress(HTTPError):
        elasticsearch.ask("DELETE", f"/_index_template/{ALIAS}")
    return elasticsearch


@pytest.fixture
def collector(tmp_path: Path, empty: ElasticsearchServer) -> Iterator[Collector]:
    with running_collector(tmp_path, elasticsearch_url=empty.url) as running:
        yield running


def send(collector: Collector, numbers: range, **more: Any) -> None:
    collector.send_tcp(b"".join(encoded(message(number, **more)) + b"\0" for number in numbers))


def documents(server: ElasticsearchServer, query: Any = None) -> list[dict[str, Any]]:
    """Return the sources of all documents, in order of time; refreshed first."""
    server.ask("POST", f"/{ALIAS}/_refresh")
    body = {"size": 10_000, "sort": [{"timestamp": "asc"}], "query": query or {"match_all": {}}}
    return [hit["_source"] for hit in server.ask("POST", f"/{ALIAS}/_search", body)["hits"]["hits"]]


def request_ids(server: ElasticsearchServer) -> list[str]:
    return [document["request_id"] for document in documents(server)]


def mapped(server: ElasticsearchServer) -> dict[str, Any]:
    (index,) = server.ask("GET", f"/{ALIAS}/_mapping").values()
    found: dict[str, Any] = index["mappings"]
    return found


def indices(server: ElasticsearchServer) -> list[str]:
    return sorted(server.ask("GET", f"/_alias/{ALIAS}"))


def test_records_become_documents_that_can_be_searched(collector: Collector, empty: ElasticsearchServer) -> None:
    send(collector, range(300), _note="ñ", full_message="Traceback")
    counts = collector.settled(300)
    assert counts == {**dict.fromkeys(counts, 0), "received": 300, "stored": 300}
    found = documents(empty)
    assert found[7] == {
        "timestamp": 1_795_280_062_250.0, "host": "api-1", "level": 6, "event": "request",
        "message": "POST /predict 200", "request_id": "request-7", "method": "POST", "route": "/predict",
        "path": "/predict", "status": 200, "duration_us": 431, "model": "iris", "model_version": "v1",
        "fields": {"note": "ñ", "full_message": "Traceback"},
    }  # fmt: skip
    assert [one["request_id"] for one in found] == [f"request-{number}" for number in range(300)]
    (one,) = documents(empty, {"term": {"request_id": "request-42"}})
    assert one["timestamp"] == 1_795_280_097_250.0
    assert len(documents(empty, {"match": {"message": "predict"}})) == 300
    times = {"timestamp": {"gte": 1_795_280_062_250, "lt": 1_795_280_064_250}}
    assert len(documents(empty, {"range": times})) == 2


def test_no_input_adds_to_the_mapping(collector: Collector, empty: ElasticsearchServer) -> None:
    send(collector, range(1))
    collector.settled(1)
    before = mapped(empty)
    assert before["dynamic"] == "false"
    hostile: dict[str, Any] = {f"_hostile_{n}": value for n, value in enumerate((1, "a", {"b": 2}, [3], None) * 2)}
    send(collector, range(1, 3), **hostile, **{"_a.b.c": 1, "_fields": {"x": 1}, "_timestamp": "never", "_": ""})
    send(collector, range(3, 4), _request_id="x" * 40_000, _path="/" + "p" * 40_000)
    counts = collector.settled(4)
    assert (counts["stored"], counts["rejected"]) == (4, 0)
    assert mapped(empty) == before
    assert [document["fields"]["hostile_0"] for document in documents(empty)[1:3]] == [1, 1]
    # The control: without the explicit mapping the same document adds a field each.
    empty.ask("PUT", "/control-1")
    empty.ask("PUT", "/control-1/_doc/1?refresh=true", {"hostile_0": 1, "a.b.c": 1})
    assert empty.ask("GET", "/control-1/_mapping")["control-1"]["mappings"]["properties"].keys() == {"hostile_0", "a"}


def test_what_it_refuses_for_good_is_counted_and_costs_no_other(tmp_path: Path, empty: ElasticsearchServer) -> None:
    # An index that somebody has made, in which a model's version is a number.
    conflicting = {"mappings": {"properties": {"model_version": {"type": "integer"}}}, "aliases": {ALIAS: {}}}
    empty.ask("PUT", f"/{ALIAS}-000001", conflicting)
    with running_collector(tmp_path, elasticsearch_url=empty.url) as collector:
        send(collector, range(10), _model_version="v1")
        send(collector, range(10, 30), _model_version="2")
        counts = collector.settled(30)
        assert (counts["stored"], counts["rejected"], counts["dropped"]) == (20, 10, 0)
        assert request_ids(empty) == [f"request-{number}" for number in range(10, 30)]
        assert "10 records are refused for good" in collector.output.read_text()


def test_only_the_items_that_failed_are_tried_again(tmp_path: Path, empty: ElasticsearchServer) -> None:
    # Two shards, of which the node may have one for a while: half of each bulk finds no place.
    settings = {"number_of_shards": 2, "number_of_replicas": 0, "routing.allocation.total_shards_per_node": 1}
    template = json.loads((ROOT / "monitoring" / "elasticsearch" / "logs-template.json").read_bytes())["template"]
    index = {"settings": settings, "mappings": template["mappings"], "aliases": {ALIAS: {}}}
    empty.ask("PUT", f"/{ALIAS}-000001?wait_for_active_shards=0", index)
    with running_collector(tmp_path, elasticsearch_url=empty.url) as collector:
        send(collector, range(200))
        half = eventually(
            lambda: (counts := collector.counts())["retries"] >= 1 and counts, within=30, what="a part is tried again"
        )
        assert 50 < half["stored"] < 150
        assert half["stored"] + half["waiting"] == half["received"] == 200
        assert collector.get("/readyz")[0] == 503
        empty.ask("PUT", f"/{ALIAS}-000001/_settings", {"index.routing.allocation.total_shards_per_node": 2})
        counts = collector.settled(200)
        assert (counts["stored"], counts["rejected"], counts["dropped"]) == (200, 0, 0)
        assert request_ids(empty) == [f"request-{number}" for number in range(200)], "all of them, none twice"
        assert collector.get("/readyz")[0] == 200
        uses = empty.ask("GET", f"/{ALIAS}/_stats/indexing")["_all"]["primaries"]["indexing"]
        assert uses["index_total"] == 200, "the control: the half that was there was never sent again"


def test_a_write_block_is_waited_for(collector: Collector, empty: ElasticsearchServer) -> None:
    send(collector, range(10))
    collector.settled(10)
    empty.ask("PUT", f"/{ALIAS}/_settings", {"index.blocks.write": True})
    send(collector, range(10, 20))
    eventually(lambda: collector.counts()["retries"] >= 2, what="it is tried again")
    assert collector.counts()["waiting"] == 10
    assert "403 cluster_block_exception" in collector.output.read_text()
    empty.ask("PUT", f"/{ALIAS}/_settings", {"index.blocks.write": None})
    counts = collector.settled(20)
    assert (counts["stored"], counts["rejected"]) == (20, 0)
    assert request_ids(empty) == [f"request-{number}" for number in range(20)]


def test_indices_deleted_under_it_are_made_again(collector: Collector, empty: ElasticsearchServer) -> None:
    send(collector, range(10))
    collector.settled(10)
    empty.ask("DELETE", f"/{ALIAS}-000001")
    send(collector, range(10, 15))
    assert collector.settled(15)["stored"] == 15
    assert request_ids(empty) == [f"request-{number}" for number in range(10, 15)]
    assert mapped(empty)["dynamic"] == "false"


def test_the_newest_index_is_replaced_and_the_oldest_deleted_by_size(
    tmp_path: Path, empty: ElasticsearchServer
) -> None:
    with running_collector(tmp_path, elasticsearch_url=empty.url, logs_bytes=8 << 20) as collector:
        total = 0
        for start in range(0, 8_000, 1_000):
            # Noise, which no compression makes smaller than 1.5 KB a record.
            noise = [encoded(message(n, _note=os.urandom(1500).hex())) for n in range(start, start + 1_000)]
            collector.send_tcp(b"\0".join([*noise, b""]))
            total += 1_000
            collector.settled(total)
            empty.ask("POST", f"/{ALIAS}/_flush")
        assert collector.counts()["stored"] == total

        def without_the_oldest() -> list[str]:
            collector.send_tcp(encoded(message(0)) + b"\0")  # sizes are looked at after a write, every few seconds
            found = indices(empty)
            return found if found[0] > f"{ALIAS}-000001" else []

        kept = eventually(without_the_oldest, within=60, every=0.5, what="the oldest is gone")
        size = empty.ask("GET", f"/{ALIAS}/_stats/store")["_all"]["primaries"]["store"]["size_in_bytes"]
        assert size < 10 << 20
        newest = [
            name
            for name, one in empty.ask("GET", f"/_alias/{ALIAS}").items()
            if one["aliases"][ALIAS].get("is_write_index")
        ]
        assert newest == [kept[-1]]
        assert collector.scrape().total("log_store_bytes", store="elasticsearch") > 0


@pytest.mark.faults
def test_a_node_that_is_gone_and_comes_back_costs_no_record(tmp_path: Path) -> None:
    with (
        running_elasticsearch(tmp_path) as server,
        running_collector(tmp_path, elasticsearch_url=server.url) as collector,
    ):
        send(collector, range(100))
        collector.settled(100)
        server.kill()
        send(collector, range(100, 400))
        eventually(lambda: collector.counts()["retries"] >= 2, what="it is tried again")
        away = collector.counts()
        assert (away["received"], away["stored"], away["waiting"]) == (400, 100, 300)
        server.start()
        counts = collector.settled(400, within=60)
        assert (counts["stored"], counts["dropped"], counts["rejected"]) == (400, 0, 0)

        server.freeze()  # a bulk is on its way, and nobody knows what became of it
        send(collector, range(400, 900))
        eventually(lambda: collector.counts()["retries"] > counts["retries"], within=30, what="it gives up waiting")
        server.thaw()
        counts = collector.settled(900, within=60)
        assert (counts["stored"], counts["dropped"], counts["rejected"]) == (900, 0, 0)
        assert request_ids(server) == [f"request-{number}" for number in range(900)], "all of them, none twice"


@pytest.mark.faults
def test_records_beyond_the_buffer_are_dropped_and_counted_while_no_node_is_there(tmp_path: Path) -> None:
    server = ElasticsearchServer(tmp_path)
    with running_collector(tmp_path, elasticsearch_url=server.url, collector_buffer=1000) as collector:
        for start in range(0, 6000, 100):
            collector.send_udp([encoded(message(number)) for number in range(start, start + 100)])
            eventually(lambda: collector.counts()["received"] == start + 100, what="it receives all the same")  # noqa: B023
        away = collector.counts()
        assert away["dropped"] + away["waiting"] == away["received"] == 6000
        assert 1000 <= away["waiting"] <= 2000
        try:
            server.start()
            counts = collector.settled(6000, within=60)
            assert (counts["stored"], counts["dropped"]) == (away["waiting"], away["dropped"])
            assert len(set(request_ids(server))) == len(request_ids(server)) == away["waiting"]
        finally:
            server.kill()
