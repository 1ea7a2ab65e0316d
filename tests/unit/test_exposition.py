"""The metrics page under many scrapers at once."""

import asyncio

from app.api.exposition import SharedExposition
from app.telemetry.metrics import Metrics
from tests.service import Scrape


class CountedMetrics(Metrics):
    """Counts how often its text is put together."""

    def __init__(self) -> None:
        super().__init__()
        self.written = 0

    def exposition(self) -> bytes:
        self.written += 1
        return super().exposition()


async def test_fifty_who_ask_at_once_share_one_writing():
    metrics = CountedMetrics()
    shared = SharedExposition(metrics)
    texts = await asyncio.gather(*(shared.text() for _ in range(50)))
    assert metrics.written == 1
    assert len(set(texts)) == 1


async def test_nothing_shown_is_older_than_its_request():
    metrics = CountedMetrics()
    shared = SharedExposition(metrics)
    counter = metrics.counter("http_requests_shed_total", "queue")
    for count in range(1, 4):
        counter.add()
        assert Scrape((await shared.text()).decode()).total("http_requests_shed_total") == count
    assert metrics.written == 3


async def test_scrapers_in_a_row_are_kept_apart():
    """Twenty scrapers without a pause: each gets what it asked for, the metrics are written once for all of them."""
    metrics = CountedMetrics()
    shared = SharedExposition(metrics, apart=0.05)

    async def ask_thrice() -> None:
        for _ in range(3):
            await shared.text()

    await asyncio.gather(*(ask_thrice() for _ in range(20)))
    assert metrics.written == 3


async def test_a_scraper_that_gives_up_takes_nothing_from_the_others():
    shared = SharedExposition(CountedMetrics())
    await shared.text()
    hasty, patient = asyncio.create_task(shared.text()), asyncio.create_task(shared.text())
    await asyncio.sleep(0)
    hasty.cancel()
    assert b"process_cpu_seconds_total" in await patient
