"""A dashboard opened in Chromium: what its panels show, and what the page complained about."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Locator, Page, sync_playwright

from tests.eventually import eventually

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
ARTEFACTS = Path(__file__).resolve().parent.parent / "artefacts"
HEIGHT = {1280: 2600, 390: 9000}  # all panels in sight at once

# How many pixels of a canvas have about one of these colours: what is left of it when a thin line is smoothed, too.
PIXELS = """
(canvas, wanted) => {
  const { width, height } = canvas;
  const brush = () => document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const copy = brush(); // read from the canvas itself, the browser would complain on the console
  [copy.canvas.width, copy.canvas.height] = [width, height];
  copy.drawImage(canvas, 0, 0);
  const found = copy.getImageData(0, 0, width, height).data;
  const paint = brush();
  const colours = wanted.map((colour) => {
    paint.fillStyle = colour;
    paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data];
  });
  let count = 0;
  for (let n = 0; n < found.length; n += 4) {
    const near = ([r, g, b]) => Math.abs(found[n] - r) + Math.abs(found[n + 1] - g) + Math.abs(found[n + 2] - b) < 90;
    if (found[n + 3] > 100 && colours.some(near)) count += 1;
  }
  return count;
}
"""
DOTS = """
(place) => [...place.querySelectorAll(".legend .dot, .scale i")].map((dot) => getComputedStyle(dot).backgroundColor)
"""


@contextmanager
def running_chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Visit:
    """One page, with what it said on the console and which other hosts it asked for."""

    def __init__(self, browser: Browser, address: str, width: int = 1280, scheme: str = "light") -> None:
        view = {"width": width, "height": HEIGHT[width]}
        self.page: Page = browser.new_context(viewport=view, color_scheme=scheme).new_page()  # type: ignore[arg-type]
        self.complaints: list[str] = []
        self.asked: list[str] = []
        host = urlsplit(address).netloc
        self.page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._asked(request.url, host))
        self.page.goto(address)

    def _asked(self, url: str, host: str) -> None:
        self.asked.append(url)
        if urlsplit(url).netloc != host:
            self.complaints.append(f"asks {url}")

    def data_requests(self) -> list[str]:
        """Return the requests for data until now; what the browser told is taken in first."""
        self.page.evaluate("0")
        return [url for url in self.asked if "/data?" in url]

    def panel(self, title: str) -> Locator:
        return self.page.get_by_role("region", name=title, exact=True).and_(self.page.locator(".panel"))

    def states(self) -> dict[str, str]:
        """Return what became of each panel, by title: loading, drawn, empty, failed or unknown."""
        found: dict[str, str] = self.page.eval_on_selector_all(
            ".panel",
            "all => Object.fromEntries(all.map(one => [`${one.dataset.panel} ${one.querySelector('h3').textContent}`, "
            "one.dataset.state]))",
        )
        return found

    def settled(self, within: float = 20.0) -> dict[str, str]:
        return eventually(
            lambda: (found := self.states()) and "loading" not in found.values() and found,
            within=within,
            what="panels are drawn or say why not",
        )

    def undrawn(self) -> list[str]:
        """Return the panels that show nothing of their data, with the words that they show instead."""
        return [
            f"{panel.get_attribute('data-panel')} {panel.locator('h3').text_content()}: "
            f"{panel.locator('.body').text_content()}"
            for panel in self.page.locator(".panel").all()
            if not self.draws(panel)
        ]

    def draws(self, panel: Locator) -> bool:
        """Tell whether data are to be seen: pixels in a series' colour, rows, bars or figures."""
        if panel.get_attribute("data-state") != "drawn":
            return False
        if panel.locator("canvas").count():
            return int(panel.locator("canvas").first.evaluate(PIXELS, panel.evaluate(DOTS))) >= 5
        if panel.locator(".figure").count():
            said = panel.locator(".figure b, .dial text").all_text_contents()
            return bool(said) and not any(text in {"", "no data", "–"} for text in said)
        return panel.locator("tbody tr, .bars li, .records li").count() > 0

    def overflow(self) -> int:
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))

    def keep(self, name: str) -> None:
        ARTEFACTS.mkdir(exist_ok=True)
        self.page.locator("body").screenshot(path=ARTEFACTS / f"{name}.png")

    def close(self) -> None:
        self.page.context.close()
