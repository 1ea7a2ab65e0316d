"""The HTTP contract of the job routes: what is accepted, once, and shown. A real store, a log in memory, no server."""

import asyncio
import re

import pytest

from app.core import jobs
from app.core.jobs import JobResult, fingerprint, id_of_key
from tests.job_service import JOB, KEYS, problem

# --- accepted


async def test_a_job_is_accepted_with_its_place_and_is_in_the_log_with_its_owner(wire, log):
    one = await wire()
    answer = await one.ask("POST", "/jobs", JOB, x_request_id="request-1")
    assert answer.status == 202
    ident = answer.json()["id"]
    assert re.fullmatch("[0-9a-f]{32}", ident)
    assert answer.json() == {"id": ident, "status": "queued"}
    assert answer.headers["location"] == f"/jobs/{ident}"
    assert answer.headers["content-type"] == "application/json"
    assert (answer.headers["x-request-id"], answer.headers["x-model-version"]) == ("request-1", "none")
    (message,) = log.published
    assert (message.topic, message.key, message.request_id) == ("jobs", b"ana", b"request-1")
    job = jobs.decode_job(message.value)
    assert (job.id, job.client, job.model, job.request_id) == (ident, "ana", "iris", "request-1")
    assert message.json()["data"] == JOB["data"]
    assert one.submitted(model="iris") == 1
    assert (await one.ask("GET", f"/jobs/{ident}")).json() == {"id": ident, "status": "queued"}


async def test_nothing_is_accepted_or_counted_before_the_log_acknowledges_it(wire, log):
    one = await wire()
    log.acknowledges.clear()
    waiting = asyncio.create_task(one.ask("POST", "/jobs", JOB))
    done, _ = await asyncio.wait([waiting], timeout=0.3)
    assert not done
    assert one.submitted() == 0
    log.acknowledges.set()
    assert (await waiting).status == 202
    assert one.submitted() == 1


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"status": "done", "version": "v2", "result": [0, 2]}, {"status": "done", "version": "v2", "result": [0, 2]}),
        ({"status": "done", "result": ["Neutral"], "score": [0.5]}, {"result": ["Neutral"], "score": [0.5]}),
        ({"status": "failed", "reason": "too large"}, {"status": "failed", "reason": "too large"}),
    ],
)
async def test_a_job_that_is_answered_is_shown_with_its_answer(wire, redis, changes, shown):
    one = await wire()
    ident = (await one.ask("POST", "/jobs", JOB)).json()["id"]
    result = JobResult(id=ident, client="ana", model="iris", request_id="r", accepted=1, answered=2, **changes)
    redis.client.set(f"result:{ident}", jobs.encode(result))
    answer = await one.ask("GET", f"/jobs/{ident}")
    assert answer.status == 200
    assert answer.json() == {"id": ident, "model": "iris", "status": "done"} | shown
    assert answer.headers["x-model-version"] == changes.get("version", "none")
    assert answer.headers["cache-control"] == "no-store"
    head = await one.ask("HEAD", f"/jobs/{ident}")
    assert head.headers["content-length"] == answer.headers["content-length"]


# --- one Idempotency-Key, one job


async def test_the_same_key_and_body_get_the_same_job(wire, log):
    one = await wire()
    answers = [await one.ask("POST", "/jobs", JOB, idempotency_key="first") for _ in range(3)]
    assert {(answer.status, answer.json()["id"]) for answer in answers} == {(202, id_of_key("ana", b"first"))}
    assert len(log.published) == 1
    assert one.submitted() == 1


async def test_twenty_at_once_with_the_same_key_are_one_job_on_one_replica_and_on_two(wire, log):
    replicas = [await wire(), await wire()]
    for key, used in (("one", replicas[:1]), ("two", replicas)):
        log.acknowledges.clear()
        before = len(log.published)
        calls = [
            asyncio.create_task(used[number % len(used)].ask("POST", "/jobs", JOB, idempotency_key=key))
            for number in range(20)
        ]
        await asyncio.wait(calls, timeout=0.2)
        log.acknowledges.set()
        answers = await asyncio.gather(*calls)
        assert {(answer.status, answer.json()["id"]) for answer in answers} == {(202, id_of_key("ana", key.encode()))}
        assert len(log.published) == before + 1
    assert sum(one.submitted() for one in replicas) == 2


async def test_without_a_key_equal_bodies_are_different_jobs(wire, log):
    """The control of the tests above."""
    one = await wire()
    answers = await asyncio.gather(*(one.ask("POST", "/jobs", JOB) for _ in range(20)))
    assert len({answer.json()["id"] for answer in answers}) == len(log.published) == one.submitted() == 20


async def test_the_same_key_with_another_body_is_refused(wire, log):
    one = await wire()
    await one.ask("POST", "/jobs", JOB, idempotency_key="k")
    other = JOB | {"model": "forest"}
    problem(await one.ask("POST", "/jobs", other, idempotency_key="k"), 422, "key-reused")
    assert (await one.ask("POST", "/jobs", other, key=KEYS["eva"], idempotency_key="k")).status == 202
    assert [message.key for message in log.published] == [b"ana", b"eva"]


async def test_at_once_with_the_same_key_only_one_of_two_bodies_is_accepted(wire, log):
    one = await wire()
    bodies = [JOB, JOB | {"model": "forest"}] * 5
    answers = await asyncio.gather(*(one.ask("POST", "/jobs", body, idempotency_key="k") for body in bodies))
    assert [answer.status for answer in answers] == [202, 422] * 5
    assert len(log.published) == 1


async def test_what_a_dead_replica_left_in_hand_is_published_by_the_next(wire, log):
    one = await wire(kafka_deadline=0.4)
    body = b'{"model":"iris","data":[[1,0,0,0]]}'
    ident = id_of_key("ana", b"k")
    await one.services.job_store.claim("ana", ident, fingerprint(body), keyed=True)
    assert (await one.ask("POST", "/jobs", body, idempotency_key="k")).status == 202
    assert [message.json()["id"] for message in log.published] == [ident]


async def test_a_client_that_leaves_takes_nothing_from_the_others_with_its_key(wire, log):
    one = await wire()
    log.acknowledges.clear()
    calls = [asyncio.create_task(one.ask("POST", "/jobs", JOB, idempotency_key="k")) for _ in range(3)]
    await asyncio.wait(calls, timeout=0.2)
    calls[0].cancel()
    log.acknowledges.set()
    assert [answer.status for answer in await asyncio.gather(*calls[1:])] == [202, 202]
    assert len(log.published) == 1


@pytest.mark.parametrize("key", ["", "a" * 256, "with blank", "\xe9", "tab\t"])
async def test_an_unusable_idempotency_key_is_refused(wire, log, key):
    one = await wire()
    problem(await one.ask("POST", "/jobs", JOB, idempotency_key=key), 400, "bad-request")
    assert not log.published
