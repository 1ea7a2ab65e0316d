"""`lab dashboards` against a real Prometheus: panels answered, choices offered, failures told in words."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.adapters.log_segments import LogSegments
from labkit.dashboards.guard import Guard
from labkit.dashboards.web import application
from tests.dashboard_pages import LOGS, panel, place, query_variable, running_pages, write_dashboard
from tests.eventually import eventually
from tests.integration.stack_folder import LAB
from tests.log_records import BEGIN, SECONDS, records
from tests.prometheus_server import HOSTILE, running_prometheus, sample_metrics
from tests.service import ROOT, end, environment, free_ports, start_bound


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that has seen the sample metrics grow for a few scrapes."""
    with sample_metrics() as target, running_prometheus(tmp_path_factory.mktemp("prometheus"), [target]) as url:
        asked = {"query": "max_over_time(seconds_count[1m]) >= 54"}
        eventually(lambda: httpx.get(f"{url}/api/v1/query", params=asked).json()["data"]["result"], within=30)
        yield url


class Pages:
    """A served folder of dashboards."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url

    def data(self, uid: str, panels: str, **asked: Any) -> dict[str, Any]:
        answer = httpx.get(f"{self.url}/api/dashboards/{uid}/data", params={"panels": panels, "from": "now-1m"} | asked)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def pages(tmp_path: Path, prometheus: str) -> Iterator[Pages]:
    with running_pages(place(tmp_path, prometheus)) as url:
        yield Pages(tmp_path, url)


def test_all_panels_are_answered_in_one_request(pages):
    rate = panel("timeseries", "Rate", "sum by (replica) (rate(requests_total[$__rate_interval]))")
    now = panel("stat", "Now", "sum(requests_total)", legend="all")
    now["targets"][0]["instant"] = True
    heat = panel("heatmap", "Heat", "sum by (le) (increase(seconds_bucket[$__rate_interval]))", legend="{{le}}")
    heat["targets"][0]["format"] = "heatmap"
    write_dashboard(pages.folder, "service", rate, now, heat)
    answers = {answer["panel"]: answer for answer in pages.data("service", "1:60,2:60,3:60")["panels"]}
    assert [answer["problems"] for answer in answers.values()] == [[], [], []]
    series = {one["name"]: one["values"] for one in answers[1]["series"]}
    assert set(series) == {"api-1", "api-2", HOSTILE}
    assert all(len(values) == answers[1]["count"] for values in series.values())
    last = {name: next(v for v in reversed(values) if v is not None) for name, values in series.items()}
    assert last["api-2"] / last["api-1"] == pytest.approx(7 / 3, rel=0.01)  # sizes 1 + 2 and 3 + 4, of one counter
    assert answers[2]["series"][0]["values"][0] >= 66
    assert [one["name"] for one in answers[3]["series"]] == ["0.01", "0.1", "1", "+Inf"]
    shares = [max(v for v in one["values"] if v is not None) for one in answers[3]["series"]]
    assert shares[1] / shares[0] == pytest.approx(3 / 5, rel=0.01)
    assert shares[3] == 0


def test_a_chosen_value_narrows_the_answer_even_a_hostile_one(pages):
    graph = panel(
        "timeseries", "Rate", 'sum by (replica) (rate(requests_total{replica=~"$replica"}[$__rate_interval]))'
    )
    listed = query_variable("replica", "label_values(requests_total, replica)")
    write_dashboard(pages.folder, "service", graph, templating={"list": [listed]})
    (offered,) = httpx.get(f"{pages.url}/api/dashboards/service/variables").json()["variables"]
    assert offered["options"] == ["$__all", HOSTILE, "api-1", "api-2"]
    for chosen in (["api-1"], [HOSTILE], [HOSTILE, "api-2"]):
        (answer,) = pages.data("service", "1:60", **{"var-replica": chosen})["panels"]
        assert sorted(one["name"] for one in answer["series"]) == sorted(chosen)
    (answer,) = pages.data("service", "1:60", **{"var-replica": '.*"} or up{a!="'})["panels"]
    assert (answer["series"], answer["problems"]) == ([], [])


def test_a_wrong_query_and_a_missing_store_are_told_in_their_panels_only(pages):
    records = {"type": "logs", "title": "Records", "datasource": LOGS, "targets": [{"query": "*", "refId": "A"}]}
    write_dashboard(
        pages.folder, "service", panel("stat", "Wrong", "sum((", legend="x"), records, panel("stat", "Good", "up")
    )
    wrong, logs, good = pages.data("service", "1:60,2:60,3:60")["panels"]
    assert wrong["problems"][0].startswith("Prometheus refused the query (HTTP 400): ")
    assert "parse error" in wrong["problems"][0]
    assert logs["problems"] == ["this stack keeps no logs (profile core); next: lab down, then lab up"]
    assert good["problems"] == []
    assert len(good["series"]) == 1


def test_panels_of_logs_are_answered_by_the_store(tmp_path, prometheus):
    writer = LogSegments(tmp_path / "logs", 64 << 20)
    assert writer.write(records()).stored == len(records())
    writer.close()
    lines = {"type": "logs", "targets": [{"query": "${query:raw}", "refId": "A", "metrics": [{"type": "logs"}]}]}
    per_host = {
        "type": "timeseries",
        "targets": [{"query": "*", "refId": "A", "alias": "{{term host}}", **by("host", 10)}],
    }
    counted = {
        "type": "barchart",
        "targets": [{"query": "status:>=0", "refId": "A", **by("status", 2, over_time=False)}],
    }
    wrong = {"type": "logs", "targets": [{"query": "status:", "refId": "A", "metrics": [{"type": "logs"}]}]}
    for panel_of_logs in (lines, per_host, counted, wrong):
        panel_of_logs |= {"datasource": LOGS, "title": "logs"}
    text = {"type": "textbox", "name": "query", "query": "*", "current": {"value": "*"}}
    span = {"from": str(int(BEGIN * 1000)), "to": str(int((BEGIN + SECONDS) * 1000)), "var-query": "model:forest"}
    with running_pages(place(tmp_path, prometheus, f"sqlite://{tmp_path / 'logs'}")) as url:
        write_dashboard(tmp_path, "logs", lines, per_host, counted, wrong, templating={"list": [text]})
        a, b, c, d = Pages(tmp_path, url).data("logs", "1:60,2:60,3:60,4:60", **span)["panels"]
    assert [(line["name"], line["status"]) for line in a["logs"]] == [("e", 200), ("b", 500), ("a", 200)]
    assert {one["name"]: sum(one["values"]) for one in b["series"]} == {
        "api-1": 9, "api-2": 1, "worker-1": 3, "traefik": 1
    }  # fmt: skip
    most, _second = c["series"]
    assert (most["name"], most["labels"], most["values"]) == ("200", {"status": "200"}, [3])
    assert d["problems"][0].startswith("query")


def by(field: str, size: int, *, over_time: bool = True) -> dict[str, Any]:
    """Return what makes a target of logs count by a field."""
    terms = {"type": "terms", "field": field, "settings": {"size": str(size)}}
    return {
        "metrics": [{"type": "count"}],
        "bucketAggs": [terms, *([{"type": "date_histogram", "field": "timestamp"}] if over_time else [])],
    }


def test_a_prometheus_that_is_away_is_told_by_address(tmp_path):
    (port,) = free_ports(1)
    write_dashboard_at = place(tmp_path, f"http://127.0.0.1:{port}")
    write_dashboard(tmp_path, "service", panel("stat", "Up", "up"))
    with running_pages(write_dashboard_at) as url:
        (answer,) = Pages(tmp_path, url).data("service", "1:60")["panels"]
    assert answer["problems"] == [
        f"Prometheus at http://127.0.0.1:{port} does not answer (ConnectError); next: lab status"
    ]


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/api/dashboards/nobody", 404, "no dashboard 'nobody'; there are: service"),
        ("/api/dashboards/..%2f..%2fetc/data", 404, ""),
        ("/api/dashboards/service/data?panels=99", 400, "has no panel 99"),
        ("/api/dashboards/service/data?panels=1;up", 400, "write ID:POINTS"),
        ("/api/dashboards/service/data?panels=1&from=now-1y", 400, "duration '1y'"),
        ("/api/dashboards/service/data?panels=" + "1,1," * 31, 400, "at most 60"),
        ("/api/dashboards/broken", 404, "broken.json is no dashboard"),
    ],
)
def test_a_wrong_request_is_answered_with_what_is_wrong(pages, path, status, told):
    write_dashboard(pages.folder, "service", panel("stat", "Up", "up"))
    if "broken" in path:
        (pages.folder / "dashboards" / "broken.json").write_text('{"panels": [{"no": "id"}]}')
    answer = httpx.get(f"{pages.url}{path}")
    assert answer.status_code == status
    assert told in answer.text


def test_a_changed_file_is_shown_without_a_restart(pages):
    path = write_dashboard(pages.folder, "service", panel("stat", "Up", "up"), title="First")
    assert httpx.get(f"{pages.url}/api/dashboards/service").json()["title"] == "First"
    write_dashboard(pages.folder, "service", panel("stat", "Up", "up"), title="Second")
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    assert httpx.get(f"{pages.url}/api/dashboards/service").json()["title"] == "Second"


REFUSED = [
    ({"host": "evil.example"}, "GET", 421),
    ({"host": "127.0.0.1:1"}, "GET", 421),
    ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, "GET", 403),
    ({}, "POST", 405),
    ({}, "DELETE", 405),
]


@pytest.mark.parametrize(("headers", "method", "status"), REFUSED)
def test_only_this_machine_may_ask_and_only_read(pages, headers, method, status):
    write_dashboard(pages.folder, "service", panel("stat", "Up", "up"))
    address = f"{pages.url}/api/dashboards"
    assert httpx.get(address).status_code == 200
    assert httpx.request(method, address, headers=headers).status_code == status


async def test_without_the_guard_a_foreign_name_would_be_answered(tmp_path):
    """The control of the test above: it is the guard that refuses."""
    app = application(place(tmp_path, "http://127.0.0.1:9"), 80)
    assert [one.cls for one in app.user_middleware] == [Guard]
    app.user_middleware.clear()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://evil.example") as client:
        assert (await client.get("/api/dashboards")).status_code == 200


def test_every_answer_forbids_what_the_page_does_not_need(pages):
    write_dashboard(pages.folder, "service", panel("stat", "Up", "up"))
    for path in ("/d/service", "/static/main.js", "/api/dashboards", "/nothing"):
        policy = httpx.get(f"{pages.url}{path}").headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy


def lab(*arguments: str, **settings: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [LAB, *arguments], env=environment(**settings), capture_output=True, text=True, timeout=60, check=False
    )


def test_the_command_serves_the_project_dashboards_until_interrupted(tmp_path, prometheus):
    (port,) = free_ports(1)
    settings = environment(home=tmp_path / ".lab", prometheus_url=prometheus)
    command = [str(LAB), "dashboards", "--port", str(port), "--json"]
    process = start_bound(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        eventually(lambda: httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200, within=30)
        listed = httpx.get(f"http://127.0.0.1:{port}/api/dashboards").json()["dashboards"]
        assert [one for one in listed if one["panels"] == 0] == []
        taken = lab("dashboards", "--port", str(port), home=tmp_path / ".lab", prometheus_url=prometheus)
    finally:
        code = end(process, signal.SIGINT)
        told, complaints = process.communicate()
    assert (taken.returncode, taken.stdout) == (2, "")
    assert f"port {port} is taken" in taken.stderr
    uids = {path.stem for path in (ROOT / "grafana" / "dashboards").glob("*.json")}
    assert set(json.loads(told)["dashboards"]) == uids == {one["uid"] for one in listed}
    assert (code, complaints) == (0, b"")


def test_without_a_stack_the_command_cannot_run(tmp_path):
    done = lab("dashboards", home=tmp_path / ".lab")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("lab: no stack is up here; next: lab up")
    done = lab("dashboards", home=tmp_path / ".lab", service_url="http://127.0.0.1:9")
    assert done.returncode == 2
    assert "LAB_PROMETHEUS_URL" in done.stderr
