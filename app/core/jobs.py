"""Jobs as messages: what the api accepts, what the worker answers, and how both are named."""

from hashlib import blake2b
from typing import Any, Final, Literal

import msgspec


class JobRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /jobs`; `data` stays as it was sent until the model is known."""

    model: str
    data: msgspec.Raw


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted job: the value of a message of the topic `jobs`, keyed by client."""

    id: str
    client: str
    """Name of the API key's owner."""
    model: str
    data: msgspec.Raw
    """Rows as JSON, as `POST /models/{model}/predict` takes them under "data"."""
    request_id: str
    accepted: float
    """Epoch seconds, before it was handed to Kafka."""


class JobResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to a job: in the store under the job's id, and the value of a message of the topic `results`."""

    id: str
    client: str
    model: str
    status: Literal["done", "failed"]
    request_id: str
    accepted: float
    answered: float
    """Epoch seconds."""
    version: str = ""
    result: list[Any] | None = None
    score: list[float] | None = None
    reason: str = ""
    """Why it failed, for the client."""


class JobView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer of `POST /jobs` and `GET /jobs/{id}`."""

    id: str
    status: Literal["queued", "done", "failed"]
    model: str = ""
    version: str = ""
    result: list[Any] | None = None
    score: list[float] | None = None
    reason: str = ""


MOST_KEY_BYTES: Final = 255
"""Of an Idempotency-Key."""

encode: Final = msgspec.json.Encoder().encode
decode_request: Final = msgspec.json.Decoder(JobRequest).decode
decode_job: Final = msgspec.json.Decoder(Job).decode
decode_result: Final = msgspec.json.Decoder(JobResult).decode


def id_of_key(client: str, idempotency_key: bytes) -> str:
    """Return the one id that this client's Idempotency-Key always gets: replicas agree on it without a word."""
    return blake2b(idempotency_key, digest_size=16, key=client.encode()[:64], person=b"lab-idempotency").hexdigest()


def fingerprint(body: bytes) -> str:
    """Return what tells one body from another, for an Idempotency-Key that comes a second time."""
    return blake2b(body, digest_size=16).hexdigest()


def view(result: JobResult) -> JobView:
    """Return what the job's owner is shown."""
    return JobView(
        id=result.id,
        status=result.status,
        model=result.model,
        version=result.version,
        result=result.result,
        score=result.score,
        reason=result.reason,
    )
