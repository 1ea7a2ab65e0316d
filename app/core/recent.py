"""The last predictions, remembered for a while so that feedback can name one by its request id."""

from typing import Any, Final

import msgspec

from app.core.errors import RequestRefused
from app.core.model import ModelInfo
from app.core.ports import Recalled
from app.core.serving import Codec

MOST_BODY_BYTES: Final = 2048
_encode = msgspec.json.Encoder().encode


class Recent:
    """The last predictions of one row each and of small bodies, bounded in number and in bytes of bodies.

    They are kept in two halves: when the young one is full, the old one is dropped as a whole. That costs an answer
    less than putting out one entry for each that comes, and at least half of the bound is always remembered. The bound
    is low because what is kept crowds the processor's cache: 4096 entries cost the prediction path a quarter of its
    rate.
    """

    __slots__ = ("_bytes", "_most_bytes", "_most_entries", "_old", "_young")

    def __init__(self, most_entries: int = 512, most_bytes: int = 4 << 20) -> None:
        self._most_entries = most_entries // 2
        self._most_bytes = most_bytes // 2
        self._young: dict[bytes, tuple[ModelInfo, Codec, bytes, Any]] = {}
        self._old: dict[bytes, tuple[ModelInfo, Codec, bytes, Any]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def remember(self, request: bytes, info: ModelInfo, codec: Codec, body: bytes, result: list[Any]) -> None:
        """Keep what was asked and answered, as it is: nothing is decoded before somebody asks."""
        size = len(body)
        if size > MOST_BODY_BYTES or len(result) != 1:
            return
        young = self._young
        young[request] = (info, codec, body, result[0])
        self._bytes += size
        if len(young) >= self._most_entries or self._bytes > self._most_bytes:
            self._old = young
            self._young = {}
            self._bytes = 0

    def find(self, request_id: str) -> Recalled | None:
        """Return the prediction that answered this request; None when it is not remembered (any more)."""
        key = request_id.encode()
        found = self._young.get(key) or self._old.get(key)
        if found is None:
            return None
        info, codec, body, predicted = found
        try:
            _, rows = codec.decode(body, info)
        except RequestRefused:
            return None
        return Recalled(info.name, info.version, msgspec.Raw(_encode(rows[0])), predicted)
