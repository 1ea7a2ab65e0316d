"""The service's own page in a real browser: an answer, and what somebody says of it."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.feedback_topic import events
from tests.job_service import KEYS, keys_file
from tests.kafka_server import KafkaServer
from tests.redis_server import running_redis
from tests.service import Service, running_service

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH; apt-get install chromium")


@pytest.fixture(scope="module")
def replica(kafka: KafkaServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("page")
    with ExitStack() as opened:
        store = opened.enter_context(running_redis(folder))
        settings = {"kafka": kafka.servers, "store_url": store.url, "store_deadline": 5.0}
        yield opened.enter_context(running_service(folder, api_keys_file=keys_file(folder), **settings))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


class Visit:
    """The page, opened anew, with what it complained about."""

    def __init__(self, browser: Browser, service: Service, width: int = 390) -> None:
        self.page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(f"http://127.0.0.1:{service.port}/")

    def predict(self, model: str, data: list[Any] | None = None) -> None:
        self.page.get_by_role("button", name=model, exact=True).click()
        if data is not None:
            self.page.locator("#data").fill(json.dumps({"data": data}))
        self.page.get_by_role("button", name="Predict", exact=True).click()
        self.page.locator("#answer.good strong").wait_for()

    def press(self, button: str) -> str:
        """Press and return what the page says then."""
        self.page.evaluate("document.getElementById('said').replaceChildren()")
        self.page.get_by_role("button", name=button).click()
        return self.page.locator("#said strong").text_content(timeout=20_000) or ""

    def close(self) -> None:
        self.page.context.close()
        assert self.errors == []


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("model", ["iris", "diabetes", "digits", "sentiment", "forest"])
def test_after_an_answer_the_page_offers_feedback_and_fits(browser, replica, model, width):
    visit = Visit(browser, replica, width)
    assert visit.page.locator("#feedback").is_hidden()
    visit.predict(model)
    assert visit.page.locator("#feedback").is_visible()
    assert visit.page.locator("#label").is_visible() == (model != "diabetes")
    assert visit.page.locator("#number").is_visible() == (model == "diabetes")
    assert visit.page.locator("#rows").is_visible() == (model in ("iris", "sentiment"))
    assert visit.page.evaluate("document.documentElement.scrollWidth") == width
    visit.close()


def test_what_is_said_on_the_page_gets_into_the_topic(browser, replica, kafka):
    visit = Visit(browser, replica)
    visit.predict("sentiment", ["Muy mal servicio"])
    visit.page.locator("#label").select_option(label="Neutral")
    visit.page.locator("#key").fill(KEYS["ana"])
    assert visit.press("Send the right answer") == "Thank you, it is stored"
    named = events(kafka)[-1]
    assert (msgspec.json.decode(named.row), named.label, named.predicted) == ("Muy mal servicio", "Neutral", "Negativo")
    assert named.about == visit.page.locator("#answer dd").last.text_content()

    visit.predict("iris", [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]])
    visit.page.locator("#row").select_option(index=1)
    assert visit.press("Yes, it was right") == "Thank you, it is stored"
    sent = events(kafka)[-1]
    assert (msgspec.json.decode(sent.row), sent.label, sent.about) == ([6.3, 3.3, 6.0, 2.5], 2, "")
    visit.close()


def test_the_key_is_remembered_by_the_tab_and_by_nothing_else(browser, replica):
    visit = Visit(browser, replica)
    visit.predict("iris")
    visit.page.locator("#key").fill(KEYS["eva"])
    visit.press("Yes, it was right")
    visit.page.reload()
    visit.predict("iris")
    assert visit.page.locator("#key").input_value() == KEYS["eva"]
    assert visit.page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    other = visit.page.context.new_page()
    other.goto(visit.page.url)
    assert other.evaluate("sessionStorage.length") == 0
    visit.close()


def test_a_wrong_key_is_told_in_words(browser, replica):
    visit = Visit(browser, replica)
    visit.predict("diabetes")
    visit.page.locator("#key").fill("not-a-key")
    assert visit.press("Send the right answer") == "401 The API key is missing or unknown"
    visit.close()


def test_pressed_twice_it_is_one_feedback(browser, replica, kafka):
    visit = Visit(browser, replica)
    visit.predict("digits")
    visit.page.locator("#key").fill(KEYS["ana"])
    idents = set()
    for _ in range(2):
        assert visit.press("Yes, it was right") == "Thank you, it is stored"
        idents.add(visit.page.locator("#said dd").last.text_content())
    (ident,) = idents
    assert [event.id for event in events(kafka)].count(ident) == 1
    visit.close()
