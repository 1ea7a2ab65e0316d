"""Plots and screenshots of the labs, each out of a real walk through the lab's text."""

import json
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
from kafka import KafkaConsumer
from playwright.sync_api import Browser, Page

from labkit.course.student import read_student
from labkit.kafka.connection import ask
from labkit.kafka.facts import topic_named
from labkit.kafka.stored import everything
from labkit.logs.opening import open_store
from labkit.report import colours
from labkit.report.plots import empty, line
from labkit.urls import discover
from tests.course.walk import Place
from tests.e2e.dashboard_visit import running_chromium

WIDTH = 900
Picture = Callable[[Place, Browser], bytes]


def service_dashboard(place: Place, browser: Browser) -> bytes:
    """Three rounds of requests on the dashboard of the service."""
    for _ in range(3):
        _run(place, "bash", place.folder / "requests.sh")
    with _dashboards(place) as addresses, _page(browser, 1200, 640) as page:
        page.goto(f"{addresses['service']}?from=now-5m&to=now&refresh=")
        return _settled(page)


def a_death(place: Place, browser: Browser) -> bytes:
    """Failed answers of each half second on both routes, while a replica dies and comes back."""
    begun, failed = time.monotonic(), {"bare": Counter[int](), "whoami": Counter[int]()}
    asked: Counter[int] = Counter()
    steps = [(4.0, ("--kill", "whoami-2")), (9.0, ("--only", "whoami-2"))]
    changing: list[subprocess.Popen[bytes]] = []
    client = httpx.Client(trust_env=False)
    while (now := time.monotonic() - begun) < 14:
        if steps and now > steps[0][0]:
            changing.append(subprocess.Popen(["lab", "serve", "02", *steps.pop(0)[1]], env=place.environment()))
        asked[int(now * 2)] += 1
        for route, of in failed.items():
            host = {"Host": f"{route}.localhost"}
            answer = client.get(f"http://127.0.0.1:{place.stack.base + 320}/", headers=host)
            of[int(now * 2)] += answer.status_code != httpx.codes.OK
        time.sleep(0.01)
    client.close()
    for process in changing:
        process.wait()
    figure = empty("time (s)", "failed answers (%)")
    seconds = [slot / 2 for slot in sorted(asked)]
    for route, colour, told in (
        ("bare", colours.RED, "without protection"),
        ("whoami", colours.BLUE, "health check and retry"),
    ):
        shares = [100 * failed[route][slot] / asked[slot] for slot in sorted(asked)]
        line(figure, seconds, shares, told, colour, step=True)
    return _drawn(figure, browser)


def capacity(place: Place, browser: Browser) -> bytes:
    """The plot that the student's own script has written."""
    with _page(browser, WIDTH, 520) as page:
        page.goto((place.folder / "capacity.html").as_uri())
        page.wait_for_timeout(1000)
        return page.screenshot()


def broker_killed(place: Place, browser: Browser) -> bytes:
    """Messages that were acknowledged in each half second, while a broker died and came back."""
    servers = discover({}, place.stack.home).kafka or ""
    topic = ask(servers, lambda client: topic_named(client, "trucks"))
    with closing(KafkaConsumer(bootstrap_servers=servers.split(","))) as consumer:
        stored = everything(consumer, topic)
    last = max(one.at for one in stored)
    times = sorted(one.at for one in stored if one.at > last - 22)
    rate = Counter(int((at - times[0]) * 2) for at in times)
    seconds = [slot / 2 for slot in range(max(rate) + 1)]
    figure = empty("seconds since the trucks began", "messages stored a second")
    line(figure, seconds, [2 * rate[slot] for slot in range(max(rate) + 1)], "stored", colours.BLUE, step=True)
    return _drawn(figure, browser)


def frozen_run(place: Place, browser: Browser) -> bytes:
    """The percentiles of the frozen run in its report, naive and corrected."""
    said = json.loads(_run(place, "lab", "report", "last", "--json", good=(0, 1)))
    report = place.stack.home.runs / said["id"] / "report.html"
    with _page(browser, 1000, 900) as page:
        page.goto(report.as_uri())
        return page.locator("#plot-distribution").screenshot()


def panel(place: Place, browser: Browser) -> bytes:
    """The student's own panel, while the traffic runs, triples and falls back."""
    _run(place, "python", place.folder / "traffic.py")
    with _dashboards(place, "--folder", place.folder / "dashboards") as addresses, _page(browser, 900, 600) as page:
        page.goto(f"{addresses['shop']}?from=now-3m&to=now&refresh=")
        return _settled(page)


def lost_records(place: Place, browser: Browser) -> bytes:
    """The number of each record of the frozen flood that arrived, by the order of sending."""
    run = (place.folder / "flood.run").read_text(encoding="utf-8")
    sent = read_student(place.work).numbers(place.lab)["RECORDS"]
    with open_store(discover({}, place.stack.home).logs) as store:
        found = store.search(f"event:flood AND run:{run}", time.time() - 3600, time.time(), 10_000)
    arrived = {int(one.get("number")) for one in found}
    step = max(sent // 60, 1)
    share = [sum(number in arrived for number in range(low, low + step)) / step * 100 for low in range(0, sent, step)]
    figure = empty("number of the record, in the order of sending", "of these arrived (%)")
    line(figure, list(range(0, sent, step)), share, "arrived", colours.BLUE, step=True, fill=True)
    return _drawn(figure, browser)


def _run(place: Place, *command: str | Path, good: Sequence[int] = (0,)) -> str:
    done = subprocess.run(
        command, env=place.environment(), cwd=place.stack.home.root, capture_output=True, text=True, check=False
    )
    if done.returncode not in good:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


@contextmanager
def _dashboards(place: Place, *options: str | Path) -> Iterator[dict[str, str]]:
    """Serve dashboards while the picture is taken; yields their addresses by uid."""
    command = ["lab", "dashboards", "--json", *options]
    with subprocess.Popen(command, env=place.environment(), stdout=subprocess.PIPE, text=True) as serving:
        try:
            assert serving.stdout is not None
            said = ""
            while said.count("{") == 0 or said.count("{") > said.count("}"):
                said += serving.stdout.readline()
            yield json.loads(said)["dashboards"]
        finally:
            serving.terminate()


@contextmanager
def _page(browser: Browser, width: int, height: int) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": width, "height": height})
    try:
        yield page
    finally:
        page.close()


def _settled(page: Page) -> bytes:
    """Take the picture once the panels in sight are drawn; those below wait until somebody scrolls."""
    page.wait_for_selector("[data-panel]:not([data-state=loading])")
    page.wait_for_timeout(4000)
    return page.screenshot()


def _drawn(figure: Any, browser: Browser) -> bytes:
    figure.update_layout(width=WIDTH, paper_bgcolor="#fff", plot_bgcolor="#fff")
    with tempfile.NamedTemporaryFile("w", suffix=".html", encoding="utf-8") as file:
        file.write(figure.to_html(include_plotlyjs=True, config={"displayModeBar": False}))
        file.flush()
        with _page(browser, WIDTH + 20, 340) as page:
            page.goto(Path(file.name).as_uri())
            return page.locator(".main-svg").first.screenshot()


SCREENS: dict[str, tuple[str, Picture]] = {
    "00-service-dashboard": ("00", service_dashboard),
    "02-a-death": ("02", a_death),
    "03-broker-killed": ("03", broker_killed),
    "05-frozen-run": ("05", frozen_run),
    "06-panel": ("06", panel),
    "07-lost-records": ("07", lost_records),
    "08-capacity": ("08", capacity),
}


def take(name: str, place: Place) -> bytes:
    """Return a picture as PNG; the lab's text must have been walked, its stack be up."""
    with running_chromium() as browser:
        return SCREENS[name][1](place, browser)
