"""The id that follows one request through every service."""

import random
import re
from collections.abc import Iterable

_WELL_FORMED = re.compile(rb"[A-Za-z0-9._\-]{1,128}").fullmatch
_TRACE_PARENT = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}").fullmatch
# Seeded by the operating system at import; an id must be unique, it is no secret.
_random_bits = random.Random().getrandbits  # noqa: S311  (not for secrets)


def request_id(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Take over a well-formed X-Request-ID, else the trace id of a W3C traceparent, else make a new one.

    `headers`: ASGI header pairs, names in lower case. Returns at most 128 bytes of [A-Za-z0-9._-].
    Source of the traceparent format: W3C Trace Context, section 3.2.
    """
    trace_id = None
    for name, value in headers:
        if name == b"x-request-id":
            if _WELL_FORMED(value):
                return value
        elif name == b"traceparent":
            trace_id = _TRACE_PARENT(value)
    return trace_id[1] if trace_id else new_request_id()


def new_request_id() -> bytes:
    """Return 32 random hexadecimal digits."""
    return b"%032x" % _random_bits(128)
