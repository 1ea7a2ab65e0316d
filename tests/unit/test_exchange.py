"""The fast path's exchange with a client: bounds, refusals, counting; the application without a server."""

import asyncio
import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.application import create
from app.core.model import Answer
from tests.asgi import GONE, exchange, part
from tests.fake_models import FakeKernel, by_first_number, by_length, info, kernels, text_info
from tests.service import Scrape

ROW = b'{"data":[[1,0,0,0]]}'


def scrape(services):
    return Scrape(services.metrics.exposition().decode())


async def test_a_body_in_parts_is_answered_like_one_in_a_piece(built):
    app, _ = create(await built(kernels()))
    for cut in range(len(ROW)):
        answer = await exchange(app, "POST", "/predict", [part(ROW[:cut], more=True), part(ROW[cut:])])
        assert (answer.status, answer.body) == (200, b'{"result":[1]}')


async def test_a_body_over_the_limit_is_refused_before_it_is_read_when_it_says_so(built):
    services = await built(kernels(), max_body_bytes=100)
    app, _ = create(services)
    answer = await exchange(app, "POST", "/predict", [part(b"x", more=True)], [("content-length", "101")])
    assert answer.status == 413
    assert "101 bytes" in answer.json()["detail"]


@pytest.mark.parametrize("size", [100, 101])
async def test_a_body_over_the_limit_is_refused_when_it_does_not_say_so(built, size):
    app, _ = create(await built(kernels(), max_body_bytes=100))
    body = ROW.ljust(size)
    for messages in ([part(body)], [part(body[:60], more=True), part(body[60:])]):
        answer = await exchange(app, "POST", "/predict", messages)
        assert answer.status == (200 if size == 100 else 413)


async def test_an_endless_body_is_not_collected(built):
    app, _ = create(await built(kernels(), max_body_bytes=1000))
    read = []

    def endless():
        while True:
            read.append(1)
            yield part(b"x" * 100, more=True)

    assert (await exchange(app, "POST", "/predict", endless())).status == 413
    assert len(read) == 11


@pytest.mark.parametrize("messages", [[], [part(b"", more=True)], [part(ROW[:5], more=True)]])
async def test_a_body_that_does_not_arrive_in_time_is_given_up(built, messages):
    services = await built(kernels(), body_timeout=0.05)
    app, _ = create(services)
    async with asyncio.timeout(10):
        answer = await exchange(app, "POST", "/predict", messages)
    assert answer.status == 408
    assert answer.json()["type"] == "urn:lab:problem:body-timeout"
    assert scrape(services).total("http_requests_in_flight") == 0


async def test_with_a_long_timeout_a_late_body_is_still_waited_for(built):
    """The control of the test above."""
    app, _ = create(await built(kernels(), body_timeout=3600.0))
    waiting = asyncio.create_task(exchange(app, "POST", "/predict", [part(ROW[:5], more=True)]))
    done, _ = await asyncio.wait([waiting], timeout=0.3)
    assert not done
    waiting.cancel()


@pytest.mark.parametrize("messages", [[GONE], [part(ROW[:5], more=True), GONE]])
async def test_a_client_that_left_gets_no_answer_and_is_counted_as_such(built, messages):
    services = await built(kernels())
    app, _ = create(services)
    answer = await exchange(app, "POST", "/predict", messages)
    assert answer.status == 0
    assert scrape(services).total("http_requests_total", route="/predict", status="499") == 1
    assert scrape(services).total("http_requests_in_flight") == 0


class Held:
    """A heavy model that answers once it is let to."""

    def __init__(self):
        self.open = threading.Event()
        self.open.set()

    def __call__(self, rows):
        assert self.open.wait(30)
        return by_first_number(rows)


async def crowd(built, count, **settings):
    """Send `count` requests at once to a model that is busy; return its statuses, answers and the scrape after."""
    held = Held()
    services = await built([FakeKernel(info("forest", heavy=True), held)], **settings)
    held.open.clear()
    app, _ = create(services)
    bodies = [b'{"data":[[%d,0,0,0]]}' % number for number in range(count)]
    calls = [asyncio.create_task(exchange(app, "POST", "/models/forest/predict", body)) for body in bodies]
    for _ in range(10):
        await asyncio.sleep(0)
    assert scrape(services).total("http_requests_in_flight") <= count
    held.open.set()
    answers = await asyncio.gather(*calls)
    return answers, scrape(services)


async def test_more_requests_under_way_than_the_bound_are_shed(built):
    answers, after = await crowd(built, 50, max_in_flight=10, max_queue_seconds=1e9)
    shed = [answer for answer in answers if answer.status == 503]
    assert [answer.status for answer in answers].count(200) == 10
    assert len(shed) == 40
    for answer in shed:
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json()["type"] == "urn:lab:problem:overloaded"
    assert after.total("http_requests_shed_total", reason="in_flight") == 40
    assert after.total("predictions_total", outcome="shed") == 40
    assert after.total("http_requests_in_flight") == 0


async def test_with_a_high_bound_nothing_is_shed(built):
    """The control of the test above."""
    answers, after = await crowd(built, 50, max_in_flight=1000, max_queue_seconds=1e9)
    assert {answer.status for answer in answers} == {200}
    assert after.total("http_requests_shed_total") == 0


async def test_a_full_queue_sheds_with_its_own_reason(built):
    answers, after = await crowd(built, 50, max_queue_seconds=1e-9)
    shed = [answer for answer in answers if answer.status == 503]
    assert shed
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in shed)
    assert after.total("http_requests_shed_total", reason="queue") == len(shed)
    assert after.total("model_queue_rows") == 0


async def test_a_defect_of_a_model_is_a_500_without_its_traceback(built, capfd):
    def broken(rows):
        raise ZeroDivisionError("a defect of the model")

    services = await built([FakeKernel(info(), broken)])
    app, _ = create(services)
    answer = await exchange(app, "POST", "/predict", ROW, [("x-request-id", "id-1")])
    assert answer.status == 500
    assert answer.json()["request_id"] == "id-1"
    assert b"ZeroDivision" not in answer.body
    assert b"defect of the model" not in answer.body
    assert scrape(services).total("predictions_total", outcome="failed") == 1
    await services.close()
    record = json.loads(capfd.readouterr().out)
    assert "defect of the model" in record["full_message"]
    assert (record["_event"], record["_request_id"], record["level"]) == ("message", "id-1", 3)


async def test_equal_bodies_are_answered_from_the_cache_with_equal_bytes(built):
    kernel = FakeKernel(text_info(heavy=True), by_length)
    services = await built([kernel])
    app, _ = create(services)
    calls = len(kernel.calls)
    bodies = [(await exchange(app, "POST", "/models/sentiment/predict", b'{"data":["ab"]}')).body for _ in range(3)]
    assert len(set(bodies)) == 1
    assert len(kernel.calls) == calls + 1
    found = scrape(services)
    assert found.total("cache_requests_total", tier="process", outcome="hit") == 2
    assert found.total("cache_requests_total", tier="process", outcome="miss") == 1
    assert found.total("predictions_total", outcome="cached") == 2
    assert found.total("prediction_score_count") == 3


async def test_the_cache_tells_models_versions_and_formats_apart(built):
    facts = [info("a", heavy=True), info("b", heavy=True), info("b", "v2", heavy=True)]
    app, _ = create(await built([FakeKernel(one, lambda rows, n=n: Answer([n])) for n, one in enumerate(facts)]))
    tensor = {"name": "input", "shape": [1, 4], "datatype": "FP64", "data": [1, 0, 0, 0]}
    infer = json.dumps({"inputs": [tensor]}).encode()
    for _ in range(2):
        assert (await exchange(app, "POST", "/models/a/predict", ROW)).json()["result"] == [0]
        assert (await exchange(app, "POST", "/models/b/predict", ROW)).json()["result"] == [1]
        for version, result in (("v1", 1), ("v2", 2)):
            answer = await exchange(app, "POST", f"/v2/models/b/versions/{version}/infer", infer)
            assert answer.json()["outputs"][0]["data"] == [result]
            assert answer.headers["x-model-version"] == version


async def test_a_canary_gets_its_share_and_says_which_version_answered(built):
    services = await built(kernels(), canary="forest:v2=20")
    app, _ = create(services)
    versions = []
    for number in range(100):
        answer = await exchange(app, "POST", "/models/forest/predict", b'{"data":[[%d,0,0,0]]}' % number)
        versions.append(answer.headers["x-model-version"])
    assert versions.count("v2") == 20
    assert scrape(services).total("predictions_total", model="forest", version="v2") == 20


@given(st.lists(st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=12), max_size=20))
def test_a_method_of_any_name_makes_one_series_at_most(methods):
    from app.api.exchange import Exchange
    from app.telemetry.event_log import NoLog
    from app.telemetry.metrics import Metrics

    metrics = Metrics()
    under_test = Exchange(metrics, NoLog(), replica="a", max_in_flight=1, max_body_bytes=1, body_timeout=1)
    meter = under_test.meter("other")
    for method in methods:
        under_test.finish({"method": method, "path": "/"}, meter, 404, 0.001, "id")
    found = Scrape(metrics.exposition().decode())
    assert found.total("http_requests_total") == len(methods)
    known = {"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "OTHER"}
    assert {one.labels["method"] for one in found.samples if one.name == "http_requests_total"} <= known


async def test_what_is_switched_off_counts_and_logs_nothing(built):
    services = await built(kernels(), metrics=False)
    app, _ = create(services)
    assert (await exchange(app, "POST", "/predict", ROW)).status == 200
    assert scrape(services).total("http_requests_total") == 0


async def test_big_answers_do_not_fill_the_memory_through_the_cache(built):
    """A cache bounded in entries only would hold 4,096 times the largest body: 4 GB."""
    services = await built([FakeKernel(text_info(heavy=True), by_length)], max_body_bytes=1 << 20)
    app, _ = create(services)
    before = scrape(services).total("process_resident_memory_bytes")
    for number in range(200):
        body = b'{"data":["%d%s"]}' % (number, b"x" * 900_000)
        assert (await exchange(app, "POST", "/models/sentiment/predict", body)).status == 200
    grown = scrape(services).total("process_resident_memory_bytes") - before
    assert grown < 50e6, f"{grown / 1e6:.0f} MB for 200 requests of 0.9 MB"
