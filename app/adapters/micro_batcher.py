"""Micro-batches: requests that arrive while the model is busy are answered together by its next call."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, NamedTuple

from app.core.batching import admits, batch_length, retry_after, smoothed
from app.core.errors import Shed
from app.core.model import Answer
from app.core.ports import Observes
from app.core.serving import AnyKernel

# Measured at the start so that the first requests are already let in by a real figure.
_WARM_UP_CALLS = 3
# Of a few rows alone each would seem to cost ten times as much, and bulks would be refused for it.
_WARM_UP_ROWS = 256


class _Waiting(NamedTuple):
    rows: list[Any]
    answer: asyncio.Future[Answer]


class MicroBatcher:
    """A bounded queue before one model, worked off by one thread, a batch at a time.

    No timer holds a request back: an idle model starts at once, a busy one takes all who came meanwhile. All methods
    belong to one event loop; only `predict` runs in the executor.
    """

    def __init__(
        self,
        kernel: AnyKernel,
        executor: Executor,
        clock: Callable[[], float],
        *,
        limit_seconds: float,
        most_rows: int,
        call_seconds: Observes,
        call_rows: Observes,
    ) -> None:
        """`limit_seconds`: the longest wait that a new request is let in for; `most_rows`: rows of one call."""
        self._kernel = kernel
        self._executor = executor
        self._clock = clock
        self._limit_seconds = limit_seconds
        self._most_rows = most_rows
        self._call_seconds = call_seconds
        self._call_rows = call_rows
        self._waiting: deque[_Waiting] = deque()
        self._seconds_per_row = 0.0
        self._worker: asyncio.Task[None] | None = None
        self.pending_rows = 0
        """Rows that wait or are being worked on."""

    def warm_up(self) -> None:
        """Call the model a few times, on this thread, and learn how long a row takes within a batch."""
        info = self._kernel.info
        row: Any = "texto de prueba" if info.kind == "text" else [0.5] * info.width
        rows = [row] * _WARM_UP_ROWS
        for _ in range(_WARM_UP_CALLS):
            started = self._clock()
            self._kernel.predict(rows)
            self._seconds_per_row = (self._clock() - started) / len(rows)

    def check_room(self) -> None:
        """Raise Shed when a new request would wait longer than the limit."""
        if not admits(self.pending_rows, self._seconds_per_row, self._limit_seconds):
            raise Shed(
                "queue",
                f"{self.pending_rows} rows wait for {self._kernel.info.name}; try again later",
                retry_after(self.pending_rows, self._seconds_per_row),
            )

    async def answer(self, rows: list[Any]) -> Answer:
        """Return the answer for `rows`. Raises Shed, or what the model raised for these rows."""
        self.check_room()
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(rows, future))
        self.pending_rows += len(rows)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self._waiting:
            count = batch_length([len(one.rows) for one in self._waiting], self._most_rows)
            batch = [self._waiting.popleft() for _ in range(count)]
            try:
                await self._answer_together(batch)
            finally:
                self.pending_rows -= sum(len(one.rows) for one in batch)
        self._worker = None

    async def _answer_together(self, batch: list[_Waiting]) -> None:
        rows = [row for one in batch for row in one.rows]
        try:
            answer = await self._call(rows)
        except Exception as error:
            await self._answer_one_by_one(batch, error)
            return
        start = 0
        for one in batch:
            end = start + len(one.rows)
            score = None if answer.score is None else answer.score[start:end]
            if not one.answer.done():  # nobody waits any more: the request was cancelled
                one.answer.set_result(Answer(answer.result[start:end], score))
            start = end

    async def _answer_one_by_one(self, batch: list[_Waiting], error: Exception) -> None:
        """Find the request that spoils the batch: the others get their answers."""
        if len(batch) == 1:
            if not batch[0].answer.done():
                batch[0].answer.set_exception(error)
            return
        for one in batch:
            await self._answer_together([one])

    async def _call(self, rows: list[Any]) -> Answer:
        started = self._clock()
        answer = await asyncio.get_running_loop().run_in_executor(self._executor, self._kernel.predict, rows)
        seconds = self._clock() - started
        self._seconds_per_row = smoothed(self._seconds_per_row, seconds, len(rows))
        self._call_seconds.observe(seconds)
        self._call_rows.observe(len(rows))
        return answer
