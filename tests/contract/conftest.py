"""Fixtures of the contract tests."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.job_service import FakeLog, Wired, wired
from tests.redis_server import RedisServer


@pytest.fixture
def log() -> FakeLog:
    """Kafka in memory, as `wire` uses it."""
    return FakeLog()


@pytest.fixture
def wire(built: Any, tmp_path: Path, redis: RedisServer, log: FakeLog) -> Callable[..., Awaitable[Wired]]:
    """Wires an application on `redis` and `log`: `await wire(max_rows=8)`; twice is two replicas."""

    async def make(**settings: Any) -> Wired:
        return await wired(built, tmp_path, redis.url, log, **settings)

    return make
