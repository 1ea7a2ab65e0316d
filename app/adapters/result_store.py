"""The answers to jobs in Redis: the first one stands, all of a batch in one command."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from app.core.errors import StoreAway

# Sets KEYS[i] to ARGV[i + 1] where it is not set; answers i and the value that was there for each of the others.
_KEEP_FIRST = """
local earlier = {}
for i, key in ipairs(KEYS) do
  if not redis.call('SET', key, ARGV[i + 1], 'NX', 'PX', ARGV[1]) then
    earlier[#earlier + 1] = i
    earlier[#earlier + 1] = redis.call('GET', key)
  end
end
return earlier
"""


class RedisResults:
    """A ResultStore. `reachable` may be called by any thread, the rest by one."""

    def __init__(self, url: str, deadline: float, ttl: float) -> None:
        """`deadline`: seconds that an answer of Redis may take; `ttl`: seconds that a result is kept."""
        self._redis: Any = Redis.from_url(
            url, socket_timeout=deadline, socket_connect_timeout=deadline, retry=Retry(NoBackoff(), 0)
        )
        self._ttl_ms = round(ttl * 1000)
        self._keep_first = self._redis.register_script(_KEEP_FIRST)

    def keep_first(self, results: Sequence[tuple[str, bytes]]) -> list[bytes | None]:
        """Keep an encoded result under each job id that has none; return per id the one that was there before.

        Raises StoreAway: some may be kept, some not.
        """
        keys = [f"result:{ident}" for ident, _ in results]
        with self._away():
            earlier = self._keep_first(keys, [self._ttl_ms, *(value for _, value in results)])
        found: list[bytes | None] = [None] * len(results)
        for number, value in zip(earlier[::2], earlier[1::2], strict=True):
            found[number - 1] = value
        return found

    def reachable(self) -> bool:
        try:
            return bool(self._redis.ping())
        except (RedisError, OSError):
            return False

    def close(self) -> None:
        self._redis.close()

    @contextlib.contextmanager
    def _away(self) -> Iterator[None]:
        try:
            yield
        except (RedisError, OSError) as error:
            raise StoreAway(f"the store of jobs does not keep results ({error})") from error
