"""summary.json and report.html are made from the run's folder, with Prometheus, without it and after it."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from labkit.errors import CannotRun
from labkit.report import build
from tests.samples.prometheus import sample_prometheus
from tests.samples.runs import Knobs, write_run

SHORT = {"seconds": 12, "stall_at": None}


class Links(HTMLParser):
    """Collects what a page would load: src, href, srcset, data of every element, and CSS url()."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag
        self.found += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "data", "action"}]

    def handle_data(self, data: str) -> None:
        if self.inside == "style":
            self.found += re.findall(r"url\(([^)]*)\)|@import", data)


def links(text: str) -> list[str]:
    parser = Links()
    parser.feed(text)
    return parser.found


def test_summary_is_written_with_its_documented_keys(tmp_path: Path) -> None:
    run = write_run(tmp_path, Knobs(**SHORT))
    summary = build(run)
    written = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(summary.to_dict()))
    assert {"schema", "id", "verdict", "good", "valid", "validity", "objectives", "rates", "totals", "latency",
            "routes", "errors", "generator", "server", "reconciliation", "report"} <= written.keys()  # fmt: skip
    assert written["totals"]["sent"] == sum(route["sent"] for route in written["routes"])
    assert written["latency"]["service_time"]["count"] == written["totals"]["sent"]
    assert written["rates"]["offered"] == pytest.approx(written["totals"]["intended"] / 12)


def test_waiting_before_the_send_is_in_the_response_time_only(tmp_path: Path) -> None:
    """The stall of the sample holds all users: the corrected p99 sees it, the naive one does not."""
    summary = build(write_run(tmp_path, Knobs()))
    naive, corrected = summary.latency.service_time, summary.latency.response_time
    assert naive is not None
    assert corrected is not None
    assert corrected.p99 > 10 * naive.p99


def test_prometheus_is_asked_once_and_kept(tmp_path: Path) -> None:
    """Built again after Prometheus is gone, the report shows the same server view."""
    run = write_run(tmp_path, Knobs(seconds=60))
    with sample_prometheus(run) as url:
        first = build(run, url)
    assert first.server.available
    assert [replica.name for replica in first.server.replicas] == ["127.0.0.1:18101", "127.0.0.1:18102"]
    assert first.server.replicas[0].rate_max == pytest.approx(130, rel=0.2)
    assert first.server.cache[0].hit_ratio == pytest.approx(4200 / 9600)
    assert first.server.edge_statuses == {"200": 9981, "503": 19}
    assert first.reconciliation.prometheus == first.reconciliation.counted == first.reconciliation.sent
    page = (run / "report.html").read_text(encoding="utf-8")
    assert build(run).to_dict() == first.to_dict()
    assert (run / "report.html").read_text(encoding="utf-8") == page


def test_a_prometheus_that_is_gone_is_said_and_harms_nothing(tmp_path: Path) -> None:
    run = write_run(tmp_path, Knobs(**SHORT, prometheus="http://127.0.0.1:9"))
    summary = build(run)
    assert not summary.server.available
    assert "http://127.0.0.1:9 did not answer" in summary.server.problem
    assert summary.reconciliation.exact
    assert summary.server.problem in (run / "report.html").read_text(encoding="utf-8")
    assert not (run / "server.json").exists()


def test_the_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    run = write_run(tmp_path, Knobs(**SHORT))
    build(run)
    text = (run / "report.html").read_text(encoding="utf-8")
    assert [link for link in links(text) if not link.startswith("data:")] == []
    assert "default-src 'none'" in text
    assert text.count("window.Plotly = Plotly") == 1
    control = '<link href="https://cdn.example/a.css"><style>p { background: url(http://x/y.png) }</style>'
    assert links(control) == ["https://cdn.example/a.css", "http://x/y.png"]


def test_hostile_text_in_an_error_is_shown_not_run(tmp_path: Path) -> None:
    hostile = "</script><script>window.hit=1</script><img src=x onerror=hit=1> & \"quoted\" 'too' {{ 7*7 }}"
    knobs = Knobs(**SHORT, failing=0.05, example=hostile)
    knobs.objectives[0]["name"] = "<b>name</b></script><script>window.hit=2</script>"
    knobs.objectives[0] |= {"kind": "response-time", "route": "*", "method": "*"}
    run = write_run(tmp_path, knobs)
    build(run)
    text = (run / "report.html").read_text(encoding="utf-8")
    assert "window.hit" in text
    assert "<script>window.hit" not in text
    assert "<img src=x" not in text
    assert "&lt;/script&gt;&lt;script&gt;window.hit=1" in text
    assert "{{ 7*7 }}" in text


@pytest.mark.parametrize("name", ["run.json", "requests.json", "timeline.jsonl", "generator.json"])
def test_a_missing_or_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    run = write_run(tmp_path, Knobs(**SHORT))
    (run / name).write_text("{", encoding="utf-8")
    with pytest.raises(CannotRun, match=rf"{name} cannot be read.*lab load"):
        build(run)
    (run / name).unlink()
    with pytest.raises(CannotRun, match=f"{name} is missing"):
        build(run)
