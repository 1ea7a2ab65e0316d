"""What the service asks of the outside, as protocols; adapters and test doubles fill them."""

from typing import Any, Protocol

import msgspec

from app.core.model import Answer


class CachedAnswer(msgspec.Struct, frozen=True, array_like=True):
    """An answer ready to send, and its values for the counters."""

    payload: bytes
    result: list[Any]
    score: list[float] | None = None


class AnswerCache(Protocol):
    """A cache shared by all replicas. Never raises and never waits long: what it cannot tell is a miss."""

    async def find(self, key: bytes) -> CachedAnswer | None: ...

    def store(self, key: bytes, entry: CachedAnswer) -> None: ...

    @property
    def well(self) -> bool: ...


class Batcher(Protocol):
    """Answers rows of one heavy model, together with those of other requests."""

    def check_room(self) -> None:
        """Raise Shed when a new request would wait too long."""

    async def answer(self, rows: list[Any]) -> Answer: ...


class Observes(Protocol):
    def observe(self, value: float) -> None: ...


class Adds(Protocol):
    def add(self, amount: int = 1) -> None: ...
