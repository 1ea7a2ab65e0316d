"""The report and the comparison in a real browser: drawn, silent, readable on a phone."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from labkit.report import build
from labkit.report.compare import compare
from tests.eventually import eventually
from tests.samples.prometheus import sample_prometheus
from tests.samples.runs import Knobs, write_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
ARTEFACTS = Path(__file__).resolve().parent.parent / "artefacts"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH; apt-get install chromium")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    runs = tmp_path_factory.mktemp("runs")
    run = write_run(runs, Knobs())
    with sample_prometheus(run) as url:
        first = build(run, url)
    second = build(write_run(runs, Knobs(id="20260921-150000-step", seed=8, shift_ms=1.5, failing=0.02)))
    found = compare(first, second)
    return {"report": run / "report.html", "compare": Path(found.report)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def opened(browser: Browser, path: Path, width: int) -> tuple[Page, list[str]]:
    """Open a page without any network; returns it and what it complained about."""
    page = browser.new_context(viewport={"width": width, "height": 900}, offline=True).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request", lambda request: request.url.startswith(("file:", "data:", "blob:")) or complaints.append(request.url)
    )
    page.goto(path.as_uri())
    eventually(lambda: page.locator(".canvas .legend, .canvas .xtitle").count() >= page.locator(".canvas").count())
    return page, complaints


@pytest.mark.parametrize(("name", "plots"), [("report", 14), ("compare", 3)])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_plot_is_drawn_and_the_page_fits(
    browser: Browser, pages: dict[str, Path], name: str, plots: int, width: int
) -> None:
    """Each plot has its lines, the console is silent, nothing is fetched and nothing runs off the screen."""
    page, complaints = opened(browser, pages[name], width)
    assert page.locator(".canvas").count() == plots
    for n in range(plots):
        canvas = page.locator(".canvas").nth(n)
        assert canvas.locator(".main-svg").count() >= 1
        assert canvas.locator(".scatterlayer .trace path.js-line").count() >= 1, canvas.get_attribute("id")
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"{name}-{width}.png", full_page=True)
    page.context.close()


def test_every_axis_names_its_unit(browser: Browser, pages: dict[str, Path]) -> None:
    page, _ = opened(browser, pages["report"], 1280)
    titles = page.locator(".canvas .ytitle").all_text_contents()
    assert len(titles) == 14
    units = ("(ms)", "/ s", "%", "(MiB)", "requests under way", "rows / batch")
    assert [title for title in titles if not any(unit in title for unit in units)] == []
    page.context.close()


def test_a_page_that_overflows_or_complains_would_be_caught(browser: Browser, tmp_path: Path) -> None:
    """The control: a page with a wide element, an error and a picture from elsewhere fails each of those checks."""
    bad = tmp_path / "bad.html"
    bad.write_text(
        '<p style="width:900px">x</p><script>console.error("no")</script><img src="http://127.0.0.1:9/a.png">'
    )
    page, complaints = opened(browser, bad, 390)
    assert page.evaluate("document.documentElement.scrollWidth") > 390
    eventually(lambda: len(complaints) >= 2)
    assert "error: no" in complaints
    assert "http://127.0.0.1:9/a.png" in complaints
    page.context.close()
