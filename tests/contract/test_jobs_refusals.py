"""The HTTP contract of the job routes: what is refused, as what. A real store, a log in memory, no server."""

import asyncio

import pytest

from app.core.jobs import id_of_key
from tests.asgi import GONE, exchange, part
from tests.job_service import JOB, KEYS, FakeLog, problem, wired

NOBODYS = "0" * 32


# --- refused


@pytest.mark.parametrize(("key", "seen"), [("", "no X-API-Key"), ("key-of-nobody", "nobody has"), ("\xff", "nobody")])
@pytest.mark.parametrize(("method", "path"), [("POST", "/jobs"), ("GET", f"/jobs/{NOBODYS}"), ("GET", "/jobs/")])
async def test_without_a_known_key_there_is_nothing_to_be_had(wire, log, key, seen, method, path):
    one = await wire()
    answer = await one.ask(method, path, JOB, key=key)
    assert seen in problem(answer, 401, "wrong-key")
    assert answer.headers["www-authenticate"] == "ApiKey"
    assert not log.calls


async def test_without_a_key_no_body_is_read(wire):
    one = await wire()

    def body():
        raise AssertionError("the body was read")
        yield

    assert (await exchange(one.app, "POST", "/jobs", body())).status == 401


@pytest.mark.parametrize(
    ("path", "method", "allow"),
    [
        *(("/jobs", method, "POST") for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")),
        *((f"/jobs/{NOBODYS}", method, "GET") for method in ("POST", "PUT", "DELETE", "OPTIONS")),
    ],
)
@pytest.mark.parametrize("key", ["", KEYS["ana"]])
async def test_a_wrong_method_is_told_the_right_one(wire, path, method, allow, key):
    one = await wire()
    answer = await one.ask(method, path, key=key)
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == allow


@pytest.mark.parametrize("path", [f"/jobs/{NOBODYS}/x", "/jobsx", "/Jobs", "//jobs"])
async def test_elsewhere_there_is_nothing(wire, path):
    one = await wire()
    problem(await one.ask("GET", path), 404, "unknown-path")


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"", 400, "not-json"),
        (b"{", 400, "not-json"),
        (b'{"model":"sentiment","data":["\xff"]}', 400, "not-json"),
        (b'{"model":"iris","data":[[1,2,3,NaN]]}', 400, "not-json"),
        (b'{"model":"iris","data":' + b"[" * 100_000, 400, "not-json"),
        (b"[]", 422, "wrong-shape"),
        (b"{}", 422, "wrong-shape"),
        ({"model": "iris"}, 422, "wrong-shape"),
        ({"data": [[1, 0, 0, 0]]}, 422, "wrong-shape"),
        (JOB | {"priority": 1}, 422, "wrong-shape"),
        (JOB | {"model": 1}, 422, "wrong-shape"),
        (JOB | {"data": None}, 422, "wrong-shape"),
        (JOB | {"data": []}, 422, "wrong-shape"),
        (JOB | {"data": [[1, 2, 3]]}, 422, "wrong-shape"),
        (JOB | {"data": [["1", "2", "3", "4"]]}, 422, "wrong-shape"),
        (JOB | {"data": ["text"]}, 422, "wrong-shape"),
        (JOB | {"data": [[1, 0, 0, 0]] * 9}, 422, "wrong-shape"),
        ({"model": "sentiment", "data": [[1, 2, 3, 4]]}, 422, "wrong-shape"),
        ({"model": "sentiment", "data": [None]}, 422, "wrong-shape"),
        (JOB | {"model": "oak"}, 404, "unknown-model"),
        (JOB | {"model": ""}, 404, "unknown-model"),
    ],
)
async def test_what_no_worker_could_answer_is_refused_before_it_costs_anything(wire, log, redis, body, status, kind):
    one = await wire(max_rows=8)
    problem(await one.ask("POST", "/jobs", body), status, kind)
    assert redis.client.keys("*") == []
    assert not log.calls


async def test_a_body_too_large_is_refused(wire):
    one = await wire(max_body_bytes=100)
    problem(await one.ask("POST", "/jobs", b" " * 101), 413, "too-large")
    head = [("content-length", "101"), ("x-api-key", KEYS["ana"])]
    problem(await exchange(one.app, "POST", "/jobs", [part(b"", more=True)], head), 413, "too-large")


async def test_a_body_that_does_not_arrive_is_given_up_and_a_client_that_left_gets_no_answer(wire):
    one = await wire(body_timeout=0.05)
    key = [("x-api-key", KEYS["ana"])]
    problem(await exchange(one.app, "POST", "/jobs", [part(b"{", more=True)], key), 408, "body-timeout")
    assert (await exchange(one.app, "POST", "/jobs", [part(b"{", more=True), GONE], key)).status == 0
    scrape = one.scrape()
    assert scrape.total("http_requests_total", route="/jobs", status="499") == 1
    assert scrape.total("http_requests_in_flight") == 0


async def test_over_the_quota_a_key_is_told_when_to_come_back_and_others_are_not_held_up(wire, log):
    one = await wire(job_rate=0.01, job_burst=3)
    answers = await asyncio.gather(*(one.ask("POST", "/jobs", JOB) for _ in range(10)))
    assert sorted(answer.status for answer in answers) == [202] * 3 + [429] * 7
    for answer in answers:
        if answer.status == 429:
            assert "over its quota" in problem(answer, 429, "over-quota")
            assert 90 <= int(answer.headers["retry-after"]) <= 100
    assert (await one.ask("POST", "/jobs", JOB, key=KEYS["eva"])).status == 202
    assert len(log.published) == one.submitted() == 4


async def test_another_keys_job_is_as_unknown_as_one_that_never_was(wire):
    one = await wire()
    ident = (await one.ask("POST", "/jobs", JOB)).json()["id"]
    paths = (f"/jobs/{ident}", f"/jobs/{NOBODYS}", "/jobs/", "/jobs/" + ident.upper(), "/jobs/x", "/jobs/\u202e")
    answers = [await one.ask("GET", path, key=KEYS["eva"], x_request_id="same") for path in paths]
    for answer in answers:
        problem(answer, 404, "unknown-job")
    assert len({answer.body for answer in answers}) == 1
    assert (await one.ask("GET", f"/jobs/{ident}")).status == 200


# --- something is away


async def test_while_the_log_is_away_nothing_is_accepted_and_the_key_can_be_used_again(wire, log):
    one = await wire()
    log.away = True
    for headers in ({}, {"idempotency_key": "k"}):
        answer = await one.ask("POST", "/jobs", JOB, **headers)
        problem(answer, 503, "queue-away")
        assert answer.headers["retry-after"] == "1"
    ident = id_of_key("ana", b"k")
    problem(await one.ask("GET", f"/jobs/{ident}"), 404, "unknown-job")
    assert one.submitted() == 0
    log.away = False
    assert (await one.ask("POST", "/jobs", JOB, idempotency_key="k")).json()["id"] == ident
    assert (await one.ask("GET", f"/jobs/{ident}")).json()["status"] == "queued"
    assert one.submitted() == 1


async def test_a_log_that_never_answers_is_given_up_within_the_deadline(wire, log):
    one = await wire(kafka_deadline=0.1)
    log.acknowledges.clear()
    async with asyncio.timeout(10):
        answers = await asyncio.gather(*(one.ask("POST", "/jobs", JOB, idempotency_key="k") for _ in range(5)))
    for answer in answers:
        problem(answer, 503, "queue-away")
    assert log.calls == 1


async def test_while_the_store_is_away_nothing_reaches_the_log(wire, log, redis):
    one = await wire()
    redis.kill()
    for method, path in (("POST", "/jobs"), ("GET", f"/jobs/{NOBODYS}")):
        answer = await one.ask(method, path, JOB)
        problem(answer, 503, "store-away")
        assert answer.headers["retry-after"] == "1"
    assert not log.calls


async def test_what_kafka_has_is_accepted_also_when_the_store_dies_meanwhile(wire, log, redis):
    one = await wire()
    log.acknowledges.clear()
    waiting = asyncio.create_task(one.ask("POST", "/jobs", JOB, idempotency_key="k"))
    await asyncio.wait([waiting], timeout=0.3)
    assert log.calls == 1
    redis.kill()
    log.acknowledges.set()
    assert (await waiting).status == 202
    assert one.submitted() == 1


@pytest.mark.parametrize(("settings", "kind"), [({"store_url": ""}, "store-away"), ({"log": None}, "queue-away")])
async def test_what_is_not_configured_is_away(built, tmp_path, redis, settings, kind):
    given = {"store_url": redis.url, "log": FakeLog()} | settings
    one = await wired(built, tmp_path, **given)
    problem(await one.ask("POST", "/jobs", JOB), 503, kind)
    assert (await one.ask("POST", "/predict", {"data": [[1, 0, 0, 0]]})).json() == {"result": [1]}


async def test_jobs_that_wait_leave_predictions_their_room(wire, log):
    """While the log stands still, jobs fill their own bound, and predictions are answered."""
    one = await wire(max_in_flight=5, kafka_deadline=60.0)
    log.acknowledges.clear()
    calls = [asyncio.create_task(one.ask("POST", "/jobs", JOB)) for _ in range(20)]
    done, waiting = await asyncio.wait(calls, timeout=0.3)
    assert len(waiting) == 5
    for call in done:
        answer = call.result()
        problem(answer, 503, "overloaded")
        assert int(answer.headers["retry-after"]) >= 1
    assert one.scrape().total("http_requests_in_flight") == 5
    answers = await asyncio.gather(*(one.ask("POST", "/predict", {"data": [[1, 0, 0, 0]]}) for _ in range(5)))
    assert {answer.status for answer in answers} == {200}
    log.acknowledges.set()
    assert {answer.status for answer in await asyncio.gather(*waiting)} == {202}


async def test_a_defect_is_a_500_without_its_traceback(wire, log, capfd):
    one = await wire()

    async def broken(*_):
        raise ZeroDivisionError("a defect of the log")

    log.publish = broken
    answer = await one.ask("POST", "/jobs", JOB)
    problem(answer, 500, "internal")
    assert b"defect of the log" not in answer.body
    await one.services.close()
    assert "defect of the log" in capfd.readouterr().out


async def test_readiness_tells_how_store_and_log_are_but_does_not_depend_on_them(wire, log, redis):
    one = await wire()
    asked = {"models": "ok", "redis": "not configured", "kafka": "ok", "store": "ok"}
    assert (await one.ask("GET", "/readyz")).json() == {"ready": True, "dependencies": asked}
    log.away = True
    redis.kill()
    await one.ask("GET", f"/jobs/{NOBODYS}")
    answer = await one.ask("GET", "/readyz")
    assert answer.status == 200
    assert answer.json()["dependencies"] == asked | {"kafka": "down", "store": "down"}
