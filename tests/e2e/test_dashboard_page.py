"""The pages of `lab dashboards` in a real browser, over a real Prometheus with a small sample."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser

from labkit.home import Home
from labkit.marks import add_mark
from tests.dashboard_pages import panel, place, query_variable, running_pages, write_dashboard
from tests.e2e.dashboard_visit import CHROMIUM, PIXELS, Visit, running_chromium
from tests.eventually import eventually
from tests.prometheus_server import HOSTILE, running_prometheus, sample_metrics

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH; apt-get install chromium")

RATE = 'sum by (replica) (rate(requests_total{replica=~"$replica"}[$__rate_interval]))'
LIMITS = {"mode": "absolute", "steps": [{"value": None, "color": "green"}, {"value": 1, "color": "red"}]}
LAST = {"reduceOptions": {"calcs": ["lastNotNull"]}}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder of dashboards and the URL under which it is served."""
    folder = tmp_path_factory.mktemp("pages")
    with sample_metrics() as target, running_prometheus(folder, [target]) as prometheus:
        asked = {"query": "max_over_time(seconds_count[1m]) >= 90"}
        eventually(lambda: httpx.get(f"{prometheus}/api/v1/query", params=asked).json()["data"]["result"], within=30)
        sample(folder, prometheus)
        with running_pages(place(folder, prometheus)) as url:
            yield folder, url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as opened:
        yield opened


def sample(folder: Path, prometheus: str) -> None:
    """Write a dashboard with a panel of each kind, and one with nothing but trouble."""
    place(folder, prometheus)
    table = panel("table", "Table", "sum by (replica) (requests_total)", "count by (replica) (requests_total)")
    for target in table["targets"]:
        target |= {"instant": True, "format": "table"}
    table["transformations"] = [
        {"id": "merge"},
        {"id": "organize", "options": {"renameByName": {"Value #A": "answered", "Value #B": "routes"}}},
    ]
    heat = panel("heatmap", "Heat", "sum by (le) (increase(seconds_bucket[$__rate_interval]))", legend="{{le}}")
    heat |= {"options": {"yAxis": {"unit": "s"}}}
    heat["targets"][0]["format"] = "heatmap"
    share = "0 * count(requests_total) + 0.97"
    write_dashboard(
        folder,
        "sample",
        panel("timeseries", "Lines", RATE, fieldConfig={"defaults": {"unit": "reqps", "thresholds": LIMITS}}),
        panel("timeseries", "Stack", RATE, fieldConfig={"defaults": {"custom": {"stacking": {"mode": "normal"}}}}),
        panel("stat", "Figure", "sum(seconds_count)", legend="all", fieldConfig={"defaults": {"thresholds": LIMITS}}),
        panel("gauge", "Dial", share, legend="all", fieldConfig={"defaults": {"unit": "percentunit", "max": 1}}),
        panel("bargauge", "Bars", "sum by (replica) (requests_total)", options=LAST),
        panel("barchart", "Columns", "sum by (route) (requests_total)", legend="{{route}}"),
        heat,
        table,
        templating={"list": [query_variable("replica", "label_values(requests_total, replica)")]},
        description="Of every kind one.",
        refresh="5s",
    )
    write_dashboard(
        folder,
        "trouble",
        panel("stat", "Wrong", "sum((", description="A query with a mistake."),
        panel("timeseries", "Nothing", "no_such_metric"),
        panel("piechart", "Pie", "up"),
        panel("logs", "Logs", datasource={"type": "elasticsearch", "uid": "logs"}, targets=[
            {"refId": "A", "query": "*", "metrics": [{"type": "logs"}], "datasource": {"type": "elasticsearch"}}]),
    )  # fmt: skip


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "light"), (1280, "dark")])
def test_a_panel_of_each_kind_draws_and_the_page_fits(browser, site, width, scheme):
    visit = Visit(browser, f"{site[1]}/d/sample", width, scheme)
    assert set(visit.settled().values()) == {"drawn"}
    assert visit.undrawn() == []
    assert visit.overflow() == 0
    assert visit.complaints == []
    visit.keep(f"dashboard-sample-{scheme}-{width}")
    visit.close()


def test_an_empty_canvas_would_be_caught(browser, site):
    """The control of what counts as drawn: without its pixels, without its rows, a panel is none."""
    visit = Visit(browser, f"{site[1]}/d/sample?refresh=")
    visit.settled()
    visit.page.eval_on_selector_all("canvas", "all => all.forEach(one => { one.width = one.width; })")
    visit.page.eval_on_selector_all("tbody", "all => all.forEach(one => one.replaceChildren())")
    assert {line.split(":")[0] for line in visit.undrawn()} == {"1 Lines", "2 Stack", "7 Heat", "8 Table"}
    visit.close()


def test_trouble_is_told_in_words_where_it_is(browser, site):
    visit = Visit(browser, f"{site[1]}/d/trouble?refresh=")
    assert visit.settled() == {"1 Wrong": "failed", "2 Nothing": "empty", "3 Pie": "unknown", "4 Logs": "failed"}
    assert "parse error" in (visit.panel("Wrong").text_content() or "")
    assert "no data from " in (visit.panel("Nothing").text_content() or "")
    assert "“piechart” are not drawn here" in (visit.panel("Pie").text_content() or "")
    assert "next: lab down, then lab up" in (visit.panel("Logs").text_content() or "")
    visit.panel("Wrong").get_by_role("button", name="about Wrong").press("Enter")
    about = visit.panel("Wrong").locator(".about")
    assert about.is_visible()
    assert "A query with a mistake." in (about.text_content() or "")
    assert about.locator("code").text_content() == "sum(("
    assert visit.complaints == []
    visit.close()


def test_a_dashboard_that_is_not_there_is_told_with_those_that_are(browser, site):
    visit = Visit(browser, f"{site[1]}/d/nobody")
    alert = visit.page.get_by_role("alert")
    eventually(lambda: alert.text_content() == "no dashboard 'nobody'; there are: sample, trouble")
    visit.close()


def test_what_a_label_says_is_text_and_nothing_else(browser, site):
    visit = Visit(browser, f"{site[1]}/d/sample?refresh=")
    visit.settled()
    assert visit.panel("Lines").get_by_role("button", name=HOSTILE).count() == 1
    assert visit.panel("Table").get_by_text(HOSTILE, exact=True).count() == 1
    assert visit.page.locator("#grid img").count() == 0
    assert visit.complaints == []
    visit.close()


def test_markup_in_the_page_would_not_run(browser, site):
    """The control of the policy: a script that got into the page all the same is refused by the browser."""
    visit = Visit(browser, f"{site[1]}/d/sample?refresh=")
    visit.settled()
    markup = "<img src=x onerror='document.title = 1'><p style='color: red'>x"
    visit.page.evaluate("(markup) => document.body.insertAdjacentHTML('beforeend', markup)", markup)
    eventually(lambda: any("Content Security Policy" in line for line in visit.complaints))
    assert visit.page.title() == "Sample – lab"
    visit.close()


def test_one_request_asks_for_all_panels_and_the_next_for_all_again(browser, site):
    visit = Visit(browser, f"{site[1]}/d/sample")
    visit.settled()
    eventually(lambda: len(visit.data_requests()) >= 3, within=20)
    for url in visit.data_requests():
        assert len(parse_qs(urlsplit(url).query)["panels"][0].split(",")) == 8
    visit.close()


def test_panels_out_of_sight_are_asked_for_when_they_come_into_sight(browser, site):
    visit = Visit(browser, f"{site[1]}/d/sample?refresh=", 390)
    visit.page.set_viewport_size({"width": 390, "height": 500})
    visit.page.reload()
    eventually(lambda: visit.states()["1 Lines"] == "drawn")
    assert visit.states()["8 Table"] == "loading"
    visit.panel("Table").scroll_into_view_if_needed()
    eventually(lambda: visit.states()["8 Table"] == "drawn")
    visit.close()


def test_choices_are_in_the_address_and_come_back_with_it(browser, site):
    visit = Visit(browser, f"{site[1]}/d/sample?refresh=")
    visit.settled()
    visit.page.get_by_label("Time", exact=True).select_option("now-1h")
    assert parse_qs(urlsplit(visit.page.url).query)["from"] == ["now-1h"]
    eventually(lambda: visit.page.locator("#var-replica summary").count() == 1)
    visit.page.locator("#var-replica summary").click()
    visit.page.locator("#var-replica").get_by_label("api-2").check()
    names = visit.panel("Lines").locator(".legend tbody button")
    eventually(lambda: names.all_text_contents() == ["api-2"])
    visit.page.reload()
    visit.settled()
    eventually(lambda: names.all_text_contents() == ["api-2"])
    assert visit.page.get_by_label("Time", exact=True).input_value() == "now-1h"
    visit.page.go_back()
    eventually(lambda: len(names.all_text_contents()) == 3, within=30, what="all three lines again")
    assert visit.complaints == []
    visit.close()


def test_dragging_over_a_plot_shows_that_stretch_and_stops_the_refresh(browser, site):
    visit = Visit(browser, f"{site[1]}/d/sample")
    visit.settled()
    box = visit.panel("Lines").locator(".u-over").bounding_box()
    assert box is not None
    visit.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40)
    visit.page.mouse.down()
    visit.page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 60, steps=4)
    visit.page.mouse.up()
    asked = eventually(lambda: (found := parse_qs(urlsplit(visit.page.url).query)) and "from" in found and found)
    shown = (int(asked["to"][0]) - int(asked["from"][0])) / 1000
    assert 100 < shown < 140  # two fifths of five minutes
    assert "refresh" not in asked
    assert visit.page.locator("#from").input_value()
    visit.close()


def test_a_series_is_hidden_with_the_keyboard(browser, site):
    visit = Visit(browser, f"{site[1]}/d/sample?refresh=")
    visit.settled()
    button = visit.panel("Lines").get_by_role("button", name="api-2")
    colour = button.locator(".dot").evaluate("dot => getComputedStyle(dot).backgroundColor")
    canvas = visit.panel("Lines").locator("canvas").first
    assert canvas.evaluate(PIXELS, [colour]) > 5
    button.focus()
    visit.page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"
    eventually(lambda: canvas.evaluate(PIXELS, [colour]) < 5)
    assert visit.page.evaluate("document.activeElement.textContent") == "api-2"
    visit.close()


def test_runs_and_faults_are_marked_on_the_time_line(browser, site):
    folder, url = site
    end = httpx.get(f"{url}/api/dashboards/sample/data").json()["end"]
    visit = Visit(browser, f"{url}/d/sample?from={int((end - 60) * 1000)}&to={int(end * 1000)}&refresh=")
    visit.settled()
    red = visit.page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--c-red').trim()")
    canvas = visit.panel("Stack").locator("canvas").first
    assert canvas.evaluate(PIXELS, [red]) == 0
    home = Home(folder, folder / ".lab")
    add_mark(home, "run-start", "load demo starts", "r", end - 40)
    add_mark(home, "fault", "api-1 killed", at=end - 20)
    visit.page.reload()
    visit.settled()
    eventually(lambda: canvas.evaluate(PIXELS, [red]) > 20)
    visit.close()


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "short", "0"),
        (1234, "short", "1.23 k"),
        (0.0123, "s", "12.3 ms"),
        (0.00002, "s", "20 µs"),
        (90, "s", "1.5 min"),
        (150, "ms", "150 ms"),
        (0.1234, "percentunit", "12.3 %"),
        (12.34, "percent", "12.3 %"),
        (1536, "bytes", "1.5 KiB"),
        (1500, "decbytes", "1.5 kB"),
        (1234, "reqps", "1.23 k req/s"),
        (5, "rowsps", "5 rows/s"),
        (-3, "ops", "-3 ops/s"),
        (7, "suffix: x", "7 x"),
        (7, "parsecs", "7 parsecs"),
        (None, "s", "–"),
    ],
)
def test_numbers_are_written_with_their_units(units, value, unit, text):
    assert units(value, unit) == text


@pytest.fixture(scope="module")
def units(browser, site):
    visit = Visit(browser, f"{site[1]}/d/trouble?refresh=")
    code = "async ([value, unit]) => (await import('/static/units.js')).format(value, unit)"
    yield lambda value, unit: visit.page.evaluate(code, [value, unit])
    visit.close()
