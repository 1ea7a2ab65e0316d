"""Asks the other replicas for a prediction that one of them remembers, through Redis publish/subscribe."""

import asyncio
import contextlib
from collections.abc import Callable
from itertools import count
from secrets import token_hex
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.core.ports import Recalled

_QUESTIONS = b"recall:questions"
# Questions that wait for an answer, and answers that wait to be sent; more are let go.
_MOST_PENDING = 32
# Between two tries to reach Redis.
_PAUSE_SECONDS = 0.5
# A connection that is quiet for so long is asked whether it lives; after three times as long it is given up.
_QUIET_SECONDS = 2.0
_FAILURES = (RedisError, OSError, TimeoutError)


class _Question(msgspec.Struct, frozen=True, array_like=True):
    request_id: str
    number: int
    mailbox: bytes
    """Channel for the answer."""


class _Reply(msgspec.Struct, frozen=True, array_like=True):
    number: int
    found: Recalled


_encode = msgspec.json.Encoder().encode
_question = msgspec.json.Decoder(_Question).decode
_reply = msgspec.json.Decoder(_Reply).decode


class RedisRecall:
    """A Recall. One connection listens for questions and answers; all methods belong to one event loop."""

    def __init__(self, url: str, deadline: float, remembered: Callable[[str], Recalled | None]) -> None:
        """`deadline`: seconds that an answer may take; `remembered`: what this replica can tell the others."""
        self._redis: Any = Redis.from_url(
            url, socket_timeout=deadline, socket_connect_timeout=deadline, retry=Retry(NoBackoff(), 0)
        )
        self._deadline = deadline
        self._remembered = remembered
        self._mailbox = b"recall:replies:" + token_hex(8).encode()
        self._numbers = count()
        self._asked: dict[int, asyncio.Future[Recalled]] = {}
        self._replies: set[asyncio.Task[None]] = set()
        self._listening = False
        self._closing = False
        self._listener = asyncio.create_task(self._listen())

    @property
    def well(self) -> bool:
        """Whether this replica hears the others."""
        return self._listening

    async def find(self, request_id: str) -> Recalled | None:
        """Return what another replica remembers; None when none does, Redis is away or too many ask."""
        if not self._listening or len(self._asked) >= _MOST_PENDING:
            return None
        number = next(self._numbers)
        answer: asyncio.Future[Recalled] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            async with asyncio.timeout(self._deadline):
                question = _encode(_Question(request_id, number, self._mailbox))
                listeners = await self._redis.publish(_QUESTIONS, question)
                if listeners <= 1:  # this replica itself
                    return None
                return await answer
        except _FAILURES:
            return None
        finally:
            del self._asked[number]

    async def close(self) -> None:
        # The Redis client loses a cancellation now and then while it connects: the listener has to look, too.
        self._closing = True
        tasks = [self._listener, *self._replies]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._redis.aclose()

    async def _listen(self) -> None:
        while not self._closing:
            with contextlib.suppress(*_FAILURES):
                async with self._redis.pubsub(ignore_subscribe_messages=True) as channels:
                    await channels.subscribe(_QUESTIONS, self._mailbox)
                    self._listening = True
                    await self._hear(channels)
            self._listening = False
            if not self._closing:
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _hear(self, channels: Any) -> None:
        """Take what comes until the connection is lost, or silent: it must answer a ping at least."""
        clock = asyncio.get_running_loop().time
        heard = clock()
        while not self._closing and clock() - heard < 3 * _QUIET_SECONDS:
            message = await channels.get_message(timeout=_QUIET_SECONDS)
            if message is None:
                await channels.ping()
                continue
            heard = clock()
            # What cannot be read is of another version of the service.
            with contextlib.suppress(msgspec.MsgspecError):
                if message["channel"] == _QUESTIONS:
                    self._asked_for(_question(message["data"]))
                elif message["channel"] == self._mailbox:
                    self._answered(_reply(message["data"]))

    def _asked_for(self, question: _Question) -> None:
        if question.mailbox == self._mailbox or len(self._replies) >= _MOST_PENDING:
            return
        found = self._remembered(question.request_id)
        if found is not None:
            task = asyncio.create_task(self._send(question.mailbox, _Reply(question.number, found)))
            self._replies.add(task)
            task.add_done_callback(self._replies.discard)

    async def _send(self, mailbox: bytes, reply: _Reply) -> None:
        with contextlib.suppress(*_FAILURES):
            await self._redis.publish(mailbox, _encode(reply))

    def _answered(self, reply: _Reply) -> None:
        answer = self._asked.get(reply.number)
        if answer is not None and not answer.done():
            answer.set_result(reply.found)
