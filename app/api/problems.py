"""The error table: what a client is told, as application/problem+json (RFC 9457)."""

from http import HTTPStatus
from typing import Final, NamedTuple

import msgspec

CONTENT_TYPE: Final = b"application/problem+json"


class Kind(NamedTuple):
    """A stable kind of error: HTTP status and title."""

    status: int
    title: str


KINDS: Final = {
    "not-json": Kind(400, "The body is not JSON"),
    "bad-request": Kind(400, "The request cannot be understood"),
    "wrong-key": Kind(401, "The API key is missing or unknown"),
    "unknown-path": Kind(404, "There is nothing at this path"),
    "unknown-model": Kind(404, "There is no such model"),
    "unknown-job": Kind(404, "There is no such job of yours"),
    "unknown-request": Kind(404, "The request that is judged is not remembered"),
    "method-not-allowed": Kind(405, "The path does not take this method"),
    "body-timeout": Kind(408, "The body did not arrive in time"),
    "too-large": Kind(413, "The body is too large"),
    "key-reused": Kind(422, "The Idempotency-Key belongs to another body"),
    "over-quota": Kind(429, "The API key is over its quota"),
    "head-too-large": Kind(431, "The head of the request is too large"),
    "wrong-shape": Kind(422, "The body is JSON of the wrong shape"),
    "unusable-input": Kind(422, "No finite answer exists for this input"),
    "internal": Kind(500, "The service failed"),
    "overloaded": Kind(503, "The service is at its limit"),
    "queue-away": Kind(503, "The queue of jobs cannot be reached"),
    "store-away": Kind(503, "The store of jobs cannot be reached"),
    "not-ready": Kind(503, "The service is not ready"),
}


class Problem(msgspec.Struct, frozen=True):
    """The body of an error answer; `type` never changes for a kind."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str


_encode = msgspec.json.Encoder().encode
# Characters of a detail: it may quote what a client sent, and an answer must not grow with the request.
_MOST_DETAIL: Final = 500


def problem(kind: str, detail: str, request_id: bytes) -> tuple[int, bytes]:
    """Return status and body for one error of the table."""
    status, title = KINDS[kind]
    if len(detail) > _MOST_DETAIL:
        detail = detail[: _MOST_DETAIL - 1] + "…"
    return status, _encode(Problem(f"urn:lab:problem:{kind}", title, status, detail, request_id.decode()))


def kind_of_status(status: int) -> str:
    """Return the kind for an error that the framework found itself."""
    fits = {404: "unknown-path", 405: "method-not-allowed", 422: "wrong-shape", 413: "too-large"}
    if status in fits:
        return fits[status]
    return "bad-request" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "internal"
