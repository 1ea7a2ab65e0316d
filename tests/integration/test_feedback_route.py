"""What `POST /feedback` takes, refuses and publishes; the store is real, the log keeps what it is given."""

import re

import pytest

from tests.job_service import KEYS, FakeLog, wired
from tests.redis_server import running_redis

ROW = [1.0, 2.5, 3.0, 4.0]
SENT = {"model": "iris", "data": [ROW], "label": 2}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def store(server):
    """An empty store."""
    server.client.flushall()
    return server


@pytest.fixture
def log():
    return FakeLog()


@pytest.fixture
async def api(built, store, tmp_path, log):
    return await wired(built, tmp_path, store.url, log)


async def predicted(api, path, body, request="a-request"):
    answer = await api.ask("POST", path, body, key="", x_request_id=request)
    assert answer.status == 200
    return answer.json()


@pytest.mark.parametrize(
    ("path", "body", "label", "event"),
    [
        ("/predict", {"data": [ROW]}, 2, {"model": "iris", "version": "v1", "row": ROW, "label": 2, "predicted": 1}),
        (
            "/v2/models/iris/infer",
            {"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP64", "data": ROW}]},
            "setosa",
            {"model": "iris", "version": "v1", "row": ROW, "label": 0, "predicted": 1},
        ),
        (
            "/v2/models/forest/versions/v2/infer",
            {"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP64", "data": ROW}]},
            1,
            {"model": "forest", "version": "v2", "row": ROW, "label": 1, "predicted": 1},
        ),
        (
            "/models/sentiment/predict",
            {"data": ["¡Sí!"]},
            "Neutral",
            {"model": "sentiment", "version": "v1", "row": "¡Sí!", "label": "Neutral", "predicted": "Neutral"},
        ),
        (
            "/models/diabetes/predict",
            {"data": [ROW]},
            150,
            {"model": "diabetes", "version": "v1", "row": ROW, "label": 150.0, "predicted": 10.5},
        ),
    ],
)
async def test_feedback_names_a_request_and_carries_what_was_asked_and_answered(api, log, path, body, label, event):
    await predicted(api, path, body)
    answer = await api.ask("POST", "/feedback", {"request_id": "a-request", "label": label}, x_request_id="its-own")
    assert answer.status == 201
    ident = answer.json()["id"]
    assert answer.json() == {"id": ident, "status": "stored"}
    assert re.fullmatch("[0-9a-f]{32}", ident)
    assert answer.headers["x-model-version"] == event["version"]
    (message,) = log.published
    assert (message.topic, message.key, message.request_id) == ("feedback", b"ana", b"its-own")
    document = message.json()
    assert document.pop("given") > 1.7e9
    assert document == {**event, "id": ident, "client": "ana", "request_id": "its-own", "about": "a-request"}


async def test_of_a_row_that_is_sent_along_the_answer_is_left_to_the_worker(api, log):
    answer = await api.ask("POST", "/feedback", SENT)
    assert answer.status == 201
    document = log.published[0].json()
    assert (document["model"], document["row"], document["label"]) == ("iris", ROW, 2)
    assert document.keys() & {"about", "version", "predicted"} == set()


async def test_twenty_times_the_same_key_and_body_is_one_message(api, log):
    answers = [await api.ask("POST", "/feedback", SENT, idempotency_key="once") for _ in range(20)]
    assert {(one.status, one.json()["id"]) for one in answers} == {(201, log.published[0].json()["id"])}
    assert len(log.published) == 1


async def test_without_a_key_each_is_a_message_of_its_own(api, log):
    """The control of the test above."""
    idents = [(await api.ask("POST", "/feedback", SENT)).json()["id"] for _ in range(3)]
    assert [message.json()["id"] for message in log.published] == idents
    assert len(set(idents)) == 3


async def test_a_key_belongs_to_one_body(api, log):
    await api.ask("POST", "/feedback", SENT, idempotency_key="once")
    again = await api.ask("POST", "/feedback", SENT | {"label": 1}, idempotency_key="once")
    assert (again.status, again.json()["type"]) == (422, "urn:lab:problem:key-reused")


async def test_jobs_and_feedback_do_not_share_keys(api, log):
    job = await api.ask("POST", "/jobs", {"model": "iris", "data": [ROW]}, idempotency_key="both")
    said = await api.ask("POST", "/feedback", SENT, idempotency_key="both")
    assert (job.status, said.status) == (202, 201)
    assert job.json()["id"] != said.json()["id"]


async def test_feedback_is_no_job(api):
    ident = (await api.ask("POST", "/feedback", SENT)).json()["id"]
    assert (await api.ask("GET", f"/jobs/{ident}")).status == 404


async def test_jobs_and_feedback_share_the_quota(built, store, tmp_path, log):
    api = await wired(built, tmp_path, store.url, log, job_rate=0.01, job_burst=2)
    assert (await api.ask("POST", "/jobs", {"model": "iris", "data": [ROW]})).status == 202
    assert (await api.ask("POST", "/feedback", SENT)).status == 201
    over = await api.ask("POST", "/feedback", SENT)
    assert (over.status, int(over.headers["retry-after"]) > 0) == (429, True)
    assert (await api.ask("POST", "/feedback", SENT, key=KEYS["eva"])).status == 201


REFUSED = [
    (b"{", 400, "not-json", "not JSON"),
    (b"\xff", 400, "not-json", "not JSON"),
    (b"[" * 5000, 422, "wrong-shape", "object"),
    ({}, 422, "wrong-shape", "label"),
    ({"label": 1}, 422, "wrong-shape", "either request_id, or model and data"),
    ({"label": 1, "model": "iris"}, 422, "wrong-shape", "either request_id, or model and data"),
    (SENT | {"request_id": "a"}, 422, "wrong-shape", "either request_id, or model and data"),
    (SENT | {"more": 1}, 422, "wrong-shape", "more"),
    (SENT | {"label": None}, 422, "wrong-shape", "label"),
    (SENT | {"label": True}, 422, "wrong-shape", "label"),
    (SENT | {"label": 3}, 422, "wrong-shape", "0 to 2, or one of setosa, versicolor, virginica"),
    (SENT | {"label": 10**400}, 422, "wrong-shape", "a huge whole number"),
    (SENT | {"model": "nobody"}, 404, "unknown-model", "no model 'nobody'"),
    (SENT | {"data": [ROW, ROW]}, 422, "wrong-shape", "data has 2 rows; give at most 1"),
    (SENT | {"data": []}, 422, "wrong-shape", "at least one"),
    (SENT | {"data": [[1]]}, 422, "wrong-shape", "iris takes 4"),
    (SENT | {"data": ["text"]}, 422, "wrong-shape", "Expected"),
    ({"model": "sentiment", "data": ["a" * 70_000], "label": "Neutral"}, 413, "too-large", "70002 bytes"),
    ({"label": 1, "request_id": "never-seen"}, 404, "unknown-request", "send model and data"),
    ({"label": 1, "request_id": ""}, 404, "unknown-request", "send model and data"),
    ({"label": 1, "request_id": "a\0b" * 100}, 404, "unknown-request", "send model and data"),
]


async def test_what_is_no_feedback_is_refused_and_leaves_nothing(api, log):
    for body, status, kind, says in REFUSED:
        answer = await api.ask("POST", "/feedback", body)
        told = answer.json()
        assert (answer.status, told["type"]) == (status, f"urn:lab:problem:{kind}"), (says, told)
        assert says in told["detail"]
    assert log.published == []


@pytest.mark.parametrize("key", ["", "nobodys"])
async def test_feedback_needs_a_key(api, log, key):
    assert (await api.ask("POST", "/feedback", SENT, key=key)).status == 401
    assert log.published == []


async def test_a_label_that_is_wrong_is_refused_for_a_named_request_too(api, log):
    await predicted(api, "/models/sentiment/predict", {"data": ["¡Sí!"]})
    answer = await api.ask("POST", "/feedback", {"request_id": "a-request", "label": "Regular"})
    assert (answer.status, log.published) == (422, [])


async def test_while_kafka_is_away_feedback_is_refused_and_can_be_sent_again(api, log):
    log.away = True
    refused = await api.ask("POST", "/feedback", SENT, idempotency_key="later")
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    log.away = False
    assert (await api.ask("POST", "/feedback", SENT, idempotency_key="later")).status == 201
    assert len(log.published) == 1


async def test_a_request_of_several_rows_is_not_remembered(api):
    await predicted(api, "/predict", {"data": [ROW, ROW]})
    assert (await api.ask("POST", "/feedback", {"request_id": "a-request", "label": 1})).status == 404


async def test_another_method_is_refused_with_the_one_that_is_taken(api):
    answer = await api.ask("GET", "/feedback")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
