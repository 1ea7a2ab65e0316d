"""How the service takes responsibility for something: quota and record in the store, then Kafka's acknowledgement."""

import asyncio
import math
import secrets
from collections.abc import Awaitable
from time import monotonic
from typing import NamedTuple

from app.api.keyed import Call
from app.core.errors import QueueAway, RequestRefused, StoreAway
from app.core.jobs import MOST_KEY_BYTES, id_of_key
from app.core.ports import Adds, Claim, JobStore, MessageLog

IDEMPOTENCY_KEY = b"idempotency-key"
# How often a request looks at what another replica has in hand under the same Idempotency-Key.
_POLL_SECONDS = 0.02
# Kafka's deadline ends a publication; this is for requests that have spent a part of it before.
_GRACE_SECONDS = 0.1


class Submission(NamedTuple):
    """One message that a client hands in."""

    topic: str
    client: str
    record: str
    """What the store knows it by."""
    keyed: bool
    """The id comes from an Idempotency-Key."""
    fingerprint: str
    """Tells its body from others."""
    value: bytes
    request: bytes
    """Id of the request that brings it."""


class Acceptance:
    """Claims and publishes submissions. What was accepted under an Idempotency-Key is not published again."""

    def __init__(self, store: JobStore | None, log: MessageLog | None, deadline: float) -> None:
        """`deadline`: seconds until a submission is accepted or refused. Without store or log all are refused."""
        self._store = store
        self._log = log
        self._deadline = deadline
        self._in_hand: dict[str, tuple[str, asyncio.Task[None]]] = {}

    async def accept(self, one: Submission, accepted: Adds) -> None:
        """Return once it is in Kafka; count that in `accepted` unless it was there before.

        Raises RequestRefused (over quota; an Idempotency-Key of another body), QueueAway or StoreAway.
        """
        if not one.keyed:
            return await self._accept(one, accepted)
        while (held := self._in_hand.get(one.record)) is not None:
            fingerprint, task = held
            if fingerprint == one.fingerprint:
                return await asyncio.shield(task)
            await asyncio.wait([task])
        task = asyncio.create_task(self._accept(one, accepted))
        self._in_hand[one.record] = one.fingerprint, task
        task.add_done_callback(lambda _: self._in_hand.pop(one.record))
        return await asyncio.shield(task)  # others may wait for it: one who leaves must not cancel it

    async def _accept(self, one: Submission, accepted: Adds) -> None:
        if self._store is None:
            raise StoreAway("no store is configured (LAB_STORE_URL)")
        if self._log is None:
            raise QueueAway("no Kafka is configured (LAB_KAFKA)")
        until = monotonic() + self._deadline
        claim = await self._claim(self._store, one, until - self._deadline / 2)
        if claim.outcome == "accepted":
            return
        await self._publish(self._log, self._store, one, until + _GRACE_SECONDS - monotonic())
        if await _first(self._store.accepted(one.record)) if one.keyed else True:
            accepted.add()

    async def _claim(self, store: JobStore, one: Submission, until: float) -> Claim:
        """Return the claim once no other request has the same in hand, at the latest at `until`.

        The other may have died; publishing twice is harmless, as the first result wins.
        """
        while True:
            claim = await store.claim(one.client, one.record, one.fingerprint, keyed=one.keyed)
            match claim.outcome:
                case "over-quota":
                    seconds = max(1, math.ceil(claim.retry_after))
                    detail = f"{one.client} is over its quota; the next is taken in {seconds} s"
                    raise RequestRefused("over-quota", detail, seconds)
                case "other-body":
                    detail = "this Idempotency-Key was sent with another body before; send a new key"
                    raise RequestRefused("key-reused", detail)
                case "pending" if monotonic() < until:
                    await asyncio.sleep(_POLL_SECONDS)
                case _:
                    return claim

    async def _publish(self, log: MessageLog, store: JobStore, one: Submission, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await log.publish(one.topic, one.client.encode(), one.value, one.request)
        except (QueueAway, TimeoutError) as error:
            await store.withdraw(one.record)
            if isinstance(error, QueueAway):
                raise
            raise QueueAway(f"no acknowledgement within {self._deadline:g} s") from None


async def _first(noted: Awaitable[bool]) -> bool:
    """Return what the store says; a store that went away in between takes back nothing that Kafka has."""
    try:
        return await noted
    except StoreAway:
        return True


def identity(call: Call, space: bytes = b"") -> tuple[str, bool]:
    """Return the id of what a call hands in, and whether its Idempotency-Key gave it.

    `space` keeps the ids of one route apart from those of others. Raises RequestRefused for an unusable key.
    """
    key = call.header(IDEMPOTENCY_KEY)
    if key is None:
        return secrets.token_hex(16), False
    if not 0 < len(key) <= MOST_KEY_BYTES or not all(0x21 <= byte <= 0x7E for byte in key):
        detail = f"Idempotency-Key of {len(key)} bytes; send 1 to {MOST_KEY_BYTES} visible ASCII characters"
        raise RequestRefused("bad-request", detail)
    return id_of_key(call.client, space + key), True
