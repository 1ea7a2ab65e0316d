"""Light load with exact accounting: each request is sent once, at its time, and is answered rightly or is a failure.

Half of the requests have a connection of their own, the others share kept ones: a dying replica meets both.
"""

import asyncio
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx

from labkit.errors import CannotRun
from labkit.loadgen.bodies import MODELS, rows_for

DEADLINE = httpx.Timeout(10.0)
LONGEST_START = 10.0
READS_EACH = 4
"""Of so many requests one is a GET."""
MOST_TOLD = 3


@dataclass
class Tally:
    """What became of the requests; `slowest` in seconds."""

    sent: int = 0
    answered: int = 0
    slowest: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        return self.sent - self.answered

    def words(self) -> str:
        """Return the count, and the most frequent failures when there are any."""
        told = "; ".join(f"{n} x {what}" for what, n in self.failures.most_common(MOST_TOLD))
        return f"{self.failed} of {self.sent:,} requests failed" + (f" ({told})" if told else "")

    def figures(self) -> dict[str, Any]:
        return {
            "sent": self.sent,
            "failed": self.failed,
            "failures": dict(self.failures),
            "slowest_s": round(self.slowest, 3),
        }


class Load:
    """An open load for as long as the block lasts: `rate` requests/s, whether or not the earlier ones are answered."""

    def __init__(self, url: str, rate: float) -> None:
        self.tally = Tally()
        self._url = url
        self._rate = rate
        self._begun, self._enough = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._drive()), name="check-load", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._begun.wait(LONGEST_START)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send nothing more and wait for the answers to what was sent."""
        self._enough.set()
        self._thread.join()
        if error is None and not self.tally.sent:
            raise CannotRun(f"no request was sent to {self._url} in time; next: stop other programs, check again")

    def last(self, seconds: float) -> None:
        """Let it go on for so long."""
        time.sleep(seconds)

    async def _drive(self) -> None:
        kept = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_keepalive_connections=100))
        fresh = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_keepalive_connections=0))
        async with (
            httpx.AsyncClient(base_url=self._url, transport=kept, timeout=DEADLINE, trust_env=False) as on_kept,
            httpx.AsyncClient(base_url=self._url, transport=fresh, timeout=DEADLINE, trust_env=False) as on_fresh,
            asyncio.TaskGroup() as under_way,
        ):
            number, begun = 0, time.monotonic()
            self._begun.set()
            while not self._enough.is_set():
                await asyncio.sleep(max(0.0, begun + number / self._rate - time.monotonic()))
                under_way.create_task(self._one(on_fresh if number // READS_EACH % 2 else on_kept, number))
                number += 1

    async def _one(self, client: httpx.AsyncClient, number: int) -> None:
        begun = time.monotonic()
        self.tally.sent += 1
        try:
            if number % READS_EACH:
                rows = rows_for(MODELS["iris"], number, rows=2)
                answer = await client.post("/predict", json={"data": rows})
            else:
                rows = []
                answer = await client.get("/models/iris")
            problem = _problem(answer, len(rows))
        except httpx.HTTPError as error:
            problem = type(error).__name__
        except Exception as error:  # a failure of ours counts as one too: nothing sent is forgotten
            problem = f"{type(error).__name__}: {error}"
        self.tally.slowest = max(self.tally.slowest, time.monotonic() - begun)
        if problem:
            self.tally.failures[problem] += 1
        else:
            self.tally.answered += 1


def _problem(answer: httpx.Response, rows: int) -> str:
    """Return what is wrong with an answer; `rows` 0: facts of the model were asked for."""
    if answer.status_code != 200:
        return str(answer.status_code)
    body = answer.json()
    right = len(body["result"]) == rows if rows else body["name"] == "iris"
    return "" if right else "a wrong answer"
