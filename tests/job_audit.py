"""Jobs under faults: an open load of them, and an audit afterwards that follows every one from its 202 to its answer.

The load leaves by its schedule, whatever happens to the servers; it never tries again, so that what was refused is
seen. The audit knows three sources and believes none alone: what the clients were told (ids and answers over HTTP),
what stands in the topic `jobs`, and what stands in the topic `results`.
"""

import asyncio
import itertools
import json
import math
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from kafka import KafkaConsumer, TopicPartition

from labkit.loadgen.bodies import MODELS
from tests.eventually import eventually

NO_ANSWER = 0
ASKED = ("iris", "sentiment", "diabetes", "forest")


@dataclass
class Submission:
    """One job as its client saw it; times in epoch seconds."""

    number: int
    client: int
    model: str
    rows: list[Any]
    intended: float
    status: int = NO_ANSWER
    ident: str = ""
    told: float = 0.0
    """When the answer to the submit came."""
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        return self.status == 202


class JobLoad:
    """Submits `rate` jobs a second until it is stopped: a thread with an event loop of its own."""

    def __init__(self, service: str, keys: Sequence[str], *, rate: float, seed: int) -> None:
        self._service = service
        self._keys = keys
        self._rate = rate
        chance = random.Random(seed)
        self._pool = [(model, MODELS[model].row(chance)) for _ in range(11) for model in ASKED]
        self._ending = threading.Event()
        self.submissions: list[Submission] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()

    def stop(self) -> list[Submission]:
        """Submit no more, wait for the answers to the submits that are under way, and return all."""
        self._ending.set()
        self._thread.join(30)
        assert not self._thread.is_alive(), "the load does not end"
        return self.submissions

    async def _run(self) -> None:
        limits = httpx.Limits(max_connections=400, max_keepalive_connections=100)
        async with httpx.AsyncClient(base_url=self._service, limits=limits, timeout=10.0) as http:
            tasks, start = set(), time.time()
            for number in itertools.count():
                intended = start + number / self._rate
                await asyncio.sleep(max(0.0, intended - time.time()))
                if self._ending.is_set():
                    break
                task = asyncio.create_task(self._submit(http, self._planned(number, intended)))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            if tasks:
                await asyncio.wait(tasks, timeout=20)

    def _planned(self, number: int, intended: float) -> Submission:
        model, row = self._pool[number % len(self._pool)]
        one = Submission(number, number % len(self._keys), model, [row], intended)
        self.submissions.append(one)
        return one

    async def _submit(self, http: httpx.AsyncClient, one: Submission) -> None:
        headers = {"X-API-Key": self._keys[one.client], "X-Request-ID": f"audit-{one.number}"}
        if one.number % 2:
            headers["Idempotency-Key"] = f"audit-{one.intended:.6f}-{one.number}"
        try:
            answer = await http.post("/jobs", json={"model": one.model, "data": one.rows}, headers=headers)
        except httpx.HTTPError:
            return
        finally:
            one.told = time.time()
        one.status = answer.status_code
        if one.accepted:
            one.ident = answer.json()["id"]


@contextmanager
def running_load(service: str, keys: Sequence[str], *, rate: float, seed: int) -> Iterator[JobLoad]:
    load = JobLoad(service, keys, rate=rate, seed=seed)
    try:
        yield load
    finally:
        load.stop()


@dataclass(frozen=True)
class Audit:
    """What became of the jobs; every list must be empty."""

    submitted: int
    accepted: int
    statuses: dict[int, int]
    lost: list[str]
    """Accepted, and not answered."""
    contradicted: list[str]
    """Answered twice, differently."""
    wrong: list[str]
    """Answered other than the model answers when it is asked directly."""
    unproduced: list[str]
    """Accepted, and not in the topic."""
    answered: list[float]
    """When the accepted jobs were answered, in order; epoch seconds."""

    @property
    def refused_share(self) -> float:
        """Share of the submits that were not accepted, whatever came instead."""
        return 1 - self.accepted / self.submitted

    def require_nothing_lost(self) -> None:
        assert self.accepted > 0, self.statuses
        assert (self.lost, self.contradicted, self.wrong, self.unproduced) == ([], [], [], []), self

    def silence(self, since: float) -> float:
        """Return the longest time without an answer to anybody from `since` on, in seconds."""
        moments = [since, *(moment for moment in self.answered if moment >= since)]
        return max((later - earlier for earlier, later in itertools.pairwise(moments)), default=0.0)


def audit(
    submissions: Sequence[Submission], service: str, keys: Sequence[str], kafka: str, *, within: float = 60.0
) -> Audit:
    """Wait until every accepted job is answered, for at most `within` seconds, and compare all sources."""
    accepted = [one for one in submissions if one.accepted]
    expected = asyncio.run(_collect(accepted, service, keys, within))
    produced = {json.loads(value)["id"] for value in messages(kafka, "jobs")}
    results: dict[str, set[str]] = defaultdict(set)
    moments: dict[str, float] = {}
    for value in messages(kafka, "results"):
        result = json.loads(value)
        outcome = {name: result.get(name) for name in ("status", "version", "result", "score", "reason")}
        results[result["id"]].add(json.dumps(outcome))
        moments[result["id"]] = result["answered"]
    return compared(submissions, expected, produced, results, moments)


def compared(
    submissions: Sequence[Submission],
    expected: dict[int, Any],
    produced: set[str],
    results: dict[str, set[str]],
    moments: dict[str, float],
) -> Audit:
    """Judge what was collected; `expected` maps a submission's number to what the model answers directly."""
    accepted = [one for one in submissions if one.accepted]
    return Audit(
        submitted=len(submissions),
        accepted=len(accepted),
        statuses=dict(Counter(one.status for one in submissions)),
        lost=[one.ident for one in accepted if one.answer.get("status") not in ("done", "failed")],
        contradicted=[ident for ident, outcomes in results.items() if len(outcomes) > 1],
        wrong=[
            one.ident
            for one in accepted
            if one.answer.get("status") == "done" and not same(one.answer["result"], expected[one.number])
        ],
        unproduced=[one.ident for one in accepted if one.ident not in produced],
        answered=sorted(moments[one.ident] for one in accepted if one.ident in moments),
    )


def same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Compare results; a number may differ in its last digits, which depend on what else is in the batch."""
    return len(one) == len(other) and all(
        math.isclose(a, b, rel_tol=1e-9) if isinstance(a, float) else a == b for a, b in zip(one, other, strict=True)
    )


async def _collect(accepted: Sequence[Submission], service: str, keys: Sequence[str], within: float) -> dict[int, Any]:
    """Ask for every job until it is answered; return what the models answer to the same rows directly."""
    deadline = time.monotonic() + within
    expected: dict[int, Any] = {}
    async with httpx.AsyncClient(base_url=service, timeout=10.0) as http:
        waiting = list(accepted)
        while waiting and time.monotonic() < deadline:
            for start in range(0, len(waiting), 50):
                await asyncio.gather(*(_look(http, one, keys) for one in waiting[start : start + 50]))
            waiting = [one for one in waiting if one.answer.get("status") not in ("done", "failed")]
            if waiting:
                await asyncio.sleep(0.2)
        direct: dict[str, Any] = {}
        for one in accepted:
            asked = json.dumps([one.model, one.rows])
            if asked not in direct:
                direct[asked] = await _direct(http, one)
            expected[one.number] = direct[asked]
    return expected


async def _look(http: httpx.AsyncClient, one: Submission, keys: Sequence[str]) -> None:
    try:
        answer = await http.get(f"/jobs/{one.ident}", headers={"X-API-Key": keys[one.client]})
    except httpx.HTTPError:
        return
    if answer.status_code in (200, 404):
        one.answer = answer.json()


async def _direct(http: httpx.AsyncClient, one: Submission) -> Any:
    """Return the model's answer to the rows of a job."""
    while True:
        answer = await http.post(f"/models/{one.model}/predict", json={"data": one.rows})
        if answer.status_code == 200:
            return answer.json()["result"]
        assert answer.status_code == 503, answer.text
        await asyncio.sleep(0.1)


def messages(kafka: str, topic: str) -> Iterator[bytes]:
    """Yield the values of all messages that stand in the topic now."""
    consumer = KafkaConsumer(
        bootstrap_servers=kafka.split(","), group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        numbers = eventually(lambda: consumer.partitions_for_topic(topic), within=20, what=f"partitions of {topic}")
        partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        consumer.seek_to_beginning(*partitions)
        deadline = time.monotonic() + 60
        while any(consumer.position(one) < ends[one] for one in partitions):
            assert time.monotonic() < deadline, f"{topic}: not read to its end in 60 s"
            for records in consumer.poll(timeout_ms=500).values():
                for record in records:
                    yield record.value
    finally:
        consumer.close()
