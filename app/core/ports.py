"""What the service asks of the outside, as protocols; adapters and test doubles fill them."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from app.core.jobs import JobView
from app.core.log_records import LogRecord
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

    @property
    def pending_rows(self) -> int:
        """Rows that wait or are being worked on."""

    def check_room(self) -> None:
        """Raise Shed when a new request would wait too long."""

    async def answer(self, rows: list[Any]) -> Answer: ...


class Claim(NamedTuple):
    """What the store says to a client that hands in a job or a feedback."""

    outcome: Literal["new", "pending", "accepted", "other-body", "over-quota"]
    """"pending": another request with the same Idempotency-Key has it in hand at this moment."""
    retry_after: float = 0.0
    """Seconds, for "over-quota"."""


class JobStore(Protocol):
    """What the api knows of jobs. Every method raises StoreAway when the store cannot answer in time."""

    async def claim(self, client: str, ident: str, body_fingerprint: str, *, keyed: bool) -> Claim:
        """Take one from the client's quota and write the record of `ident`, unless it is there already.

        `keyed`: the id comes from an Idempotency-Key; the record says "pending" until `accepted` is called.
        """

    async def accepted(self, ident: str) -> bool:
        """Note that Kafka has it; say whether nobody noted that before."""

    async def withdraw(self, ident: str) -> None:
        """Take back a claim whose message Kafka did not acknowledge. Never raises.

        Kafka may have the message all the same: an Idempotency-Key stays bound to its body, only to be claimed anew.
        """

    async def find(self, client: str, ident: str) -> JobView | None:
        """Return the state of this client's job; None for unknown ids and for those of others."""

    @property
    def well(self) -> bool: ...


class MessageLog(Protocol):
    """The api's side of Kafka."""

    async def publish(self, topic: str, key: bytes, value: bytes, request_id: bytes) -> None:
        """Return once all in-sync replicas have the message. Raises QueueAway within the deadline."""

    @property
    def well(self) -> bool: ...


class Message(NamedTuple):
    """A message to publish: key, value and headers as Kafka takes them."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


class Publisher(Protocol):
    """The worker's side of Kafka, where it writes."""

    def publish(self, topic: str, messages: Sequence[Message]) -> None:
        """Return once all in-sync replicas have all of them. Raises QueueAway: some may be there, some not."""


class ResultStore(Protocol):
    """Where the answers to jobs are kept."""

    def keep_first(self, results: Sequence[tuple[str, bytes]]) -> list[bytes | None]:
        """Keep an encoded result under each job id that has none; return per id the one that was there before.

        Raises StoreAway: some may be kept, some not.
        """

    def reachable(self) -> bool:
        """Ask whether it answers; any thread may."""


class Recalled(msgspec.Struct, frozen=True):
    """A prediction that is still remembered."""

    model: str
    version: str
    row: msgspec.Raw
    """As JSON: a list of numbers or a text."""
    predicted: Any


class Recall(Protocol):
    """What the other replicas remember of their predictions."""

    async def find(self, request_id: str) -> Recalled | None:
        """Return the prediction that answered this request. Never raises and waits a moment at most: else None."""


class KeyRing(Protocol):
    """The API keys that are known."""

    def client(self, key: bytes) -> str | None:
        """Return the name of the key's owner, None for a key that nobody has."""


class Written(NamedTuple):
    """What became of records that a store of logs was given: stored, refused for good, and those to try again."""

    stored: int
    rejected: int
    again: Sequence[LogRecord]


class LogStore(Protocol):
    """Where the collector writes. Used by one thread, except `reachable` and `size`."""

    name: str
    """One of the catalogue's LOG_STORES."""

    def write(self, records: Sequence[LogRecord]) -> Written:
        """Write records, oldest first. A record given again is stored once. Raises LogsAway: none may be there."""

    def size(self) -> int:
        """Return how many bytes the store takes, as last seen."""

    def reachable(self) -> bool:
        """Say whether the last attempt to use it went well."""

    def close(self) -> None: ...


class Observes(Protocol):
    def observe(self, value: float) -> None: ...


class Adds(Protocol):
    def add(self, amount: int = 1) -> None: ...
