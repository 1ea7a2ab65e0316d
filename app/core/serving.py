"""One version of a model behind two calls: answer now (light), or from a cache or a micro-batch (heavy)."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from app.core.errors import RequestRefused, UnusableInput
from app.core.lru import LruCache
from app.core.model import Answer, ModelInfo
from app.core.ports import AnswerCache, Batcher, CachedAnswer, Observes

# About what a cached answer takes in memory beside its key and its payload, in all and per row.
_ENTRY_BYTES = 600
_ROW_BYTES = 64


class AnyKernel(Protocol):
    """A kernel of numbers or of text."""

    @property
    def info(self) -> ModelInfo: ...

    def predict(self, rows: list[Any]) -> Answer: ...


class Codec(Protocol):
    """One message format: bytes to rows (with what the answer needs of the request), answer to bytes."""

    name: bytes

    def decode(self, body: bytes, info: ModelInfo) -> tuple[Any, list[Any]]: ...

    def encode(self, context: Any, info: ModelInfo, answer: Answer) -> bytes: ...


class Served(NamedTuple):
    """What came of a body: the payload to send, where it came from, and its values for the counters."""

    payload: bytes
    tier: str
    """"process" or "redis" when cached, "" when computed."""
    result: list[Any]
    score: list[float] | None


class LightModel:
    """A model so quick that it answers on the event loop, and that a cache would only slow down."""

    heavy = False

    def __init__(
        self, kernel: AnyKernel, clock: Callable[[], float], call_seconds: Observes, call_rows: Observes
    ) -> None:
        self.info = kernel.info
        self._predict = kernel.predict
        self._clock = clock
        self._observe_seconds = call_seconds.observe
        self._observe_rows = call_rows.observe

    def answer(self, body: bytes, codec: Codec) -> Served:
        """Return the answer to `body`. Raises RequestRefused."""
        info = self.info
        context, rows = codec.decode(body, info)
        started = self._clock()
        try:
            answer = self._predict(rows)
        except UnusableInput as error:
            raise RequestRefused("unusable-input", str(error)) from None
        self._observe_seconds(self._clock() - started)
        self._observe_rows(len(rows))
        return Served(codec.encode(context, info, answer), "", answer.result, answer.score)


class HeavyModel:
    """A model behind caches (equal bodies, equal answers) and a batcher."""

    heavy = True

    def __init__(
        self,
        info: ModelInfo,
        clock: Callable[[], float],
        batcher: Batcher,
        local: LruCache[bytes, CachedAnswer],
        shared: AnswerCache | None,
    ) -> None:
        self.info = info
        self._clock = clock
        self._batcher = batcher
        self._local = local
        self._shared = shared
        # A retrained model of the same name and version must not answer from its predecessor's entries.
        self._key = f"{info.name}:{info.version}:{info.sha256[:16]}:".encode()

    @property
    def queued_rows(self) -> int:
        return self._batcher.pending_rows

    def check_room(self) -> None:
        """Raise Shed when a new request would wait too long."""
        self._batcher.check_room()

    async def answer(self, body: bytes, codec: Codec) -> Served:
        """Return the answer to `body`. Raises RequestRefused (of which Shed)."""
        key = self._key + codec.name + body
        entry = self._local.get(key, self._clock())
        if entry is not None:
            return Served(entry.payload, "process", entry.result, entry.score)
        self._batcher.check_room()
        context, rows = codec.decode(body, self.info)
        if self._shared is not None:
            entry = await self._shared.find(key)
            if entry is not None:
                self._keep(key, entry)
                return Served(entry.payload, "redis", entry.result, entry.score)
        try:
            answer = await self._batcher.answer(rows)
        except UnusableInput as error:
            raise RequestRefused("unusable-input", str(error)) from None
        entry = CachedAnswer(codec.encode(context, self.info, answer), answer.result, answer.score)
        self._keep(key, entry)
        if self._shared is not None:
            self._shared.store(key, entry)
        return Served(entry.payload, "", entry.result, entry.score)

    def _keep(self, key: bytes, entry: CachedAnswer) -> None:
        size = _ENTRY_BYTES + len(key) + len(entry.payload) + _ROW_BYTES * len(entry.result)
        self._local.put(key, entry, self._clock(), size)


ServedModel = LightModel | HeavyModel
