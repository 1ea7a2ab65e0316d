"""Fixtures for the whole suite."""

import gc
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import settings

from app.bootstrap import Services, build
from app.config import Settings
from tests import engine_checks
from tests.elasticsearch_server import ElasticsearchServer, running_elasticsearch
from tests.kafka_server import KafkaServer, running_kafka
from tests.redis_server import RedisServer, running_redis
from tests.service import Service, running_service

Build = Callable[..., Awaitable[Services]]

# A busy machine is slow, not wrong: no test of properties has a deadline.
settings.register_profile("lab", deadline=None)
settings.load_profile("lab")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the file that waits for minutes: the others run beside it."""
    items.sort(key=lambda item: item.path.name != "test_alerting.py")


BEGUN = time.monotonic()


def pytest_runtest_setup() -> None:
    """Skip what would begin after TEST_MINUTES: a limited run says what it has not tried."""
    minutes = os.environ.get("TEST_MINUTES", "")
    if minutes and time.monotonic() - BEGUN > float(minutes) * 60:
        pytest.skip(f"left out: the {minutes} minutes of this run are over")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests measured, as one line each, and the engines side by side."""
    for line in (*engine_checks.FIGURES, *engine_checks.table().splitlines()):
        terminalreporter.write_line(line)


@pytest.fixture
def figure() -> Callable[[str], None]:
    """Keeps a line for the end of the run: a figure that a test found."""
    return engine_checks.FIGURES.append


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A real service process with the committed models, shared: tests look at differences, not at totals."""
    with running_service(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A real Kafka broker, shared and never stopped: tests use topics and groups of their own."""
    with running_kafka(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture(scope="module")
def _mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    with running_kafka(tmp_path_factory.mktemp("mortal")) as server:
        yield server


@pytest.fixture
def mortal(_mortal: KafkaServer) -> Iterator[KafkaServer]:
    """A broker that runs and may be struck: it is well again for the next test."""
    yield _mortal
    _mortal.mend()


@pytest.fixture(scope="session")
def elasticsearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ElasticsearchServer]:
    """A real Elasticsearch, shared and never stopped: its logs are deleted before each test that fills it."""
    with running_elasticsearch(tmp_path_factory.mktemp("elasticsearch")) as running:
        yield running


@pytest.fixture
def redis(tmp_path: Any) -> Iterator[RedisServer]:
    """A real redis-server of the test's own."""
    with running_redis(tmp_path) as running:
        yield running


@pytest.fixture
async def built() -> AsyncIterator[Build]:
    """Wires services as the composition root does: `await built(kernels, max_rows=8)`; closed after the test.

    What the composition root sets for a whole process is put back.
    """
    interval, root = sys.getswitchinterval(), logging.getLogger()
    handlers, level, uvicorn_level = root.handlers[:], root.level, logging.getLogger("uvicorn.error").level
    async with AsyncExitStack() as opened:

        async def wire(kernels: list[Any], **settings: Any) -> Services:
            services = await build(Settings(**{"access_log": False} | settings), kernels)
            opened.push_async_callback(services.close)
            return services

        yield wire
    sys.setswitchinterval(interval)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("uvicorn.error").setLevel(uvicorn_level)
    gc.unfreeze()
