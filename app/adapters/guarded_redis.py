"""A connection to Redis behind a breaker: what failed a moment ago is left alone, and one request finds out."""

import contextlib
from collections.abc import Callable
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

FAILURES: Final = (RedisError, OSError, TimeoutError)


class GuardedRedis:
    """The client, and whether it may be asked. All methods belong to one event loop."""

    def __init__(self, url: str, deadline: float, pause: float, clock: Callable[[], float]) -> None:
        """`deadline`: seconds of a round trip; `pause`: seconds that Redis is left alone after a failure."""
        self.client = Redis.from_url(
            url, socket_timeout=deadline, socket_connect_timeout=deadline, retry=Retry(NoBackoff(), 0)
        )
        self._pause = pause
        self._clock = clock
        self._asked_again_at = 0.0

    @property
    def well(self) -> bool:
        """Whether the last command succeeded (true before the first)."""
        return not self._asked_again_at

    @property
    def resting(self) -> bool:
        """Whether Redis failed less than a pause ago."""
        return self._clock() < self._asked_again_at

    def may_ask(self) -> bool:
        """Say yes when Redis is well; when it failed, let one request a pause find out whether it is back."""
        if not self._asked_again_at:
            return True
        now = self._clock()
        if now < self._asked_again_at:
            return False
        self._asked_again_at = now + self._pause
        return True

    def succeeded(self) -> None:
        self._asked_again_at = 0.0

    async def failed(self) -> None:
        self._asked_again_at = self._clock() + self._pause
        # The other connections are as dead, but would be found so one by one, with a pause for each.
        with contextlib.suppress(*FAILURES):
            await self.client.connection_pool.disconnect(inuse_connections=False)
