"""The store of jobs in Redis: quota and claim in one script, one pipeline for all who wait, a deadline, a breaker."""

import asyncio
import contextlib
from collections.abc import Callable
from hashlib import sha1
from typing import Any

from redis.exceptions import NoScriptError, ResponseError

from app.adapters.guarded_redis import FAILURES, GuardedRedis
from app.core.errors import StoreAway
from app.core.jobs import JobResult, JobView, decode_result, view
from app.core.ports import Claim
from app.core.rows import UNREADABLE

# A failed store is asked again after this time, by one request. Short: without it nothing is accepted or told.
_PAUSE_SECONDS = 0.25

# Times in microseconds. A quota is its theoretical arrival time (GCRA): when the next would be due if they
# came evenly.
# A record is "STATE FINGERPRINT CLIENT". States: "queued" (a random id: its one request knows it), "pending" and
# "accepted" (of an Idempotency-Key), "withdrawn" (refused; its key stays bound to its body).
_CLAIM = """
local record = redis.call('GET', KEYS[1])
if record then
  local state, fingerprint = string.match(record, '^(%a+) (%x+) ')
  if fingerprint ~= ARGV[1] then return {'other-body', '0'} end
  if state == 'pending' then return {'pending', '0'} end
  if state ~= 'withdrawn' then return {'accepted', '0'} end
end
local interval, tolerance = tonumber(ARGV[4]), tonumber(ARGV[5])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local arrival = math.max(tonumber(redis.call('GET', KEYS[2]) or 0), now) + interval
local wait = arrival - tolerance - now
if wait > 0 then return {'over-quota', string.format('%.0f', wait)} end
redis.call('SET', KEYS[2], string.format('%.0f', arrival), 'PX', math.ceil((arrival - now) / 1000))
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return {'new', '0'}
"""
_ACCEPT = """
local record = redis.call('GET', KEYS[1])
if not record then return 1 end
local state, rest = string.match(record, '^(%a+)( .*)$')
if state == 'accepted' then return 0 end
redis.call('SET', KEYS[1], 'accepted' .. rest, 'KEEPTTL')
return 1
"""
_WITHDRAW = """
local state, rest = string.match(redis.call('GET', KEYS[1]) or '', '^(%a+)( .*)$')
if state == 'queued' then redis.call('DEL', KEYS[1]) end
if state == 'pending' then redis.call('SET', KEYS[1], 'withdrawn' .. rest, 'KEEPTTL') end
"""


def _digest(script: str) -> str:
    return sha1(script.encode(), usedforsecurity=False).hexdigest()


class RedisJobStore:
    """A JobStore. All methods belong to one event loop; as many may wait at once as requests are under way."""

    def __init__(
        self, url: str, deadline: float, ttl: float, rate: float, burst: int, clock: Callable[[], float]
    ) -> None:
        """`deadline`: seconds that a round trip may take; `ttl`: seconds that a job is remembered.

        `rate` a second and `burst` at once: what one client may claim.
        """
        self._guarded = GuardedRedis(url, deadline, _PAUSE_SECONDS, clock)
        self._redis = self._guarded.client
        self._deadline = deadline
        self._ttl_ms = round(ttl * 1000)
        self._interval = 1e6 / rate
        self._tolerance = self._interval * burst
        self._well = True
        self._waiting: list[tuple[tuple[Any, ...], asyncio.Future[Any]]] = []
        self._sender: asyncio.Task[None] | None = None

    async def claim(self, client: str, ident: str, body_fingerprint: str, *, keyed: bool) -> Claim:
        record = f"{'pending' if keyed else 'queued'} {body_fingerprint} {client}"
        keys = (_record_key(ident), f"quota:{client}")
        bounds = (self._ttl_ms, self._interval, self._tolerance)
        outcome, wait = await self._ask("EVALSHA", _digest(_CLAIM), 2, *keys, body_fingerprint, record, *bounds)
        return Claim(outcome.decode(), int(wait) / 1e6)

    async def accepted(self, ident: str) -> bool:
        return bool(await self._ask("EVALSHA", _digest(_ACCEPT), 1, _record_key(ident)))

    async def withdraw(self, ident: str) -> None:
        with contextlib.suppress(StoreAway):
            await self._ask("EVALSHA", _digest(_WITHDRAW), 1, _record_key(ident))

    async def find(self, client: str, ident: str) -> JobView | None:
        record, stored = await self._ask("MGET", _record_key(ident), f"result:{ident}")
        if record is not None:
            state, _, owner = record.split(b" ", 2)
            if owner.decode() != client:  # as quick as for an id that nobody has
                return None
            if stored is None:
                return None if state == b"withdrawn" else JobView(id=ident, status="queued")
        result = None if stored is None else _read(stored)
        return view(result) if result is not None and result.client == client else None

    @property
    def well(self) -> bool:
        """Whether the last round trip succeeded (true before the first), and found room for what it wrote."""
        return self._well

    async def close(self) -> None:
        if self._sender is not None:
            self._sender.cancel()
        await self._redis.aclose()

    async def _ask(self, *command: Any) -> Any:
        """Return Redis' answer to one command, sent together with those of all others who ask. Raises StoreAway."""
        if not self._guarded.may_ask():
            raise StoreAway("the store of jobs was away a moment ago")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, future))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_waiting())
        return await future

    async def _send_waiting(self) -> None:
        while self._waiting:
            sent, self._waiting = self._waiting, []
            try:
                async with asyncio.timeout(self._deadline):
                    answers = await self._answers([command for command, _ in sent])
            except FAILURES as error:
                self._well = False
                await self._guarded.failed()
                # Who came meanwhile would only wait for the same failure.
                sent += self._waiting
                self._waiting = []
                answers = [error] * len(sent)
            else:
                self._guarded.succeeded()
                self._well = not any(isinstance(answer, Exception) for answer in answers)
            for (_, future), answer in zip(sent, answers, strict=True):
                if future.done():  # nobody waits for it any more
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(StoreAway(f"the store of jobs failed: {type(answer).__name__}: {answer}"))
                else:
                    future.set_result(answer)

    async def _answers(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        """Return the answers in the order of the commands; what Redis refuses is a ResponseError in its place."""
        answers = await self._executed(commands)
        unknown = [index for index, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:  # a Redis that was just started
            for script in (_CLAIM, _ACCEPT, _WITHDRAW):
                await self._redis.script_load(script)
            again = await self._executed([commands[index] for index in unknown])
            for index, answer in zip(unknown, again, strict=True):
                answers[index] = answer
        return answers

    async def _executed(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        answers: list[Any] = await pipeline.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, Exception) and not isinstance(answer, ResponseError):
                raise answer
        return answers


def _record_key(ident: str) -> str:
    return f"job:{ident}"


def _read(value: bytes) -> JobResult | None:
    """Return the result; what some other writer left there and cannot be read is none."""
    try:
        return decode_result(value)
    except UNREADABLE:
        return None
