"""The service as a process: what it counts, how it starts and ends, how it bears what it depends on."""

import contextlib
import json
import os
import signal
import socket

import pytest

from tests.eventually import eventually
from tests.raw_http import post, wire
from tests.sample_rows import IRIS
from tests.service import end, free_ports, refused_start, running_service

BODY = json.dumps({"data": IRIS}).encode()


# --- starting


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"api_prot": 1}, "LAB_API_PROT"),
        ({"max_rows": "many"}, "LAB_MAX_ROWS='many'"),
        ({"canary": "oak:v2=10"}, "oak"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_its_name(settings, wanted):
    assert wanted in refused_start(**settings)


@pytest.mark.parametrize("setting", ["api_port", "metrics_port"])
def test_a_busy_port_stops_the_start_with_the_setting_to_change(setting):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        line = refused_start(**{setting: port})
    assert f"127.0.0.1:{port}" in line
    assert f"LAB_{setting.upper()}" in line


def test_two_services_cannot_share_a_port(service):
    assert "LAB_API_PORT" in refused_start(api_port=service.port)


# --- ending


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_readiness_goes_down_first_and_requests_under_way_are_answered(tmp_path, number):
    with running_service(tmp_path, drain_seconds=1.0) as service, wire(service.port) as slow:
        request = post("/predict", BODY)
        slow.send(request[:-5])
        eventually(lambda: service.scrape().total("http_requests_in_flight") == 1)
        os.kill(service.pid, number)

        def not_ready():
            answer = service.get("/readyz")
            return answer if answer.status == 503 else None

        answer = eventually(not_ready, every=0.01)
        assert answer.json()["ready"] is False
        assert answer.json()["dependencies"]["process"] == "draining"
        assert service.get("/v2/health/ready").status == 503
        assert service.get("/healthz").status == 200
        assert service.post("/predict", {"data": IRIS}).status == 200

        def refuses_connections():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", service.port)) != 0

        eventually(refuses_connections)
        assert service.process.poll() is None
        slow.send(request[-5:])
        last = slow.answer()
        assert last is not None
        assert (last.status, last.body) == (200, b'{"result":[0,2]}')
        assert service.process.wait(15) == 0
        assert service.records()[-1]["_route"] == "/predict"
        assert service.errors.read_text() == ""


def test_an_idle_service_ends_at_once_when_asked_to(tmp_path):
    with running_service(tmp_path, drain_seconds=0) as service:
        with wire(service.port) as idle:
            idle.send(post("/predict", BODY))
            assert idle.answer() is not None
            assert end(service.process) == 0
            assert idle.closed()
        assert len(service.records()) == len(service.log.read_bytes().splitlines())


# --- bounds


def test_requests_under_way_are_bounded_and_the_refused_are_told_to_come_back(tmp_path):
    with running_service(tmp_path, max_in_flight=2) as service, contextlib.ExitStack() as opened:
        held = [opened.enter_context(wire(service.port)) for _ in range(2)]
        for connection in held:
            connection.send(post("/predict", BODY)[:-1])
        eventually(lambda: service.scrape().total("http_requests_in_flight") == 2)
        refused = service.post("/predict", {"data": IRIS})
        assert refused.status == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["type"] == "urn:lab:problem:overloaded"
        assert service.get("/healthz").status == 200
        for connection in held:
            connection.send(BODY[-1:])
            answer = connection.answer()
            assert answer is not None
            assert answer.status == 200
        assert service.post("/predict", {"data": IRIS}).status == 200
        after = service.settled()
        assert after.total("http_requests_shed_total", reason="in_flight") == 1
        assert after.total("predictions_total", outcome="shed") == 1


def test_a_stalled_log_costs_records_which_are_counted_and_no_request(tmp_path):
    reading, writing = os.pipe()
    with contextlib.ExitStack() as opened:
        opened.callback(os.close, reading)
        service = opened.enter_context(running_service(tmp_path, stdout=writing, access_log_buffer=50))
        os.close(writing)

        def drops():
            assert service.post("/predict", {"data": IRIS}).json() == {"result": [0, 2]}
            return service.scrape().total("log_records_total", outcome="dropped") >= 20

        eventually(drops, within=60, every=0)
        lines = bytearray()
        os.set_blocking(reading, False)

        def all_accounted_for():
            with contextlib.suppress(BlockingIOError):
                lines.extend(os.read(reading, 1 << 20))
            scrape = service.scrape()
            written = scrape.total("log_records_total", outcome="written")
            dropped = scrape.total("log_records_total", outcome="dropped")
            answered = scrape.total("http_requests_total")
            return written + dropped == answered and written == lines.count(b"\n")

        eventually(all_accounted_for)
        assert service.scrape().total("log_records_total", outcome="failed") == 0


# --- Redis


def asked(service, text):
    answer = service.post("/models/sentiment/predict", {"data": [text]})
    assert answer.status == 200, answer
    return answer.body


def looked_up(service, outcome):
    return service.scrape().total("cache_requests_total", tier="redis", outcome=outcome)


def test_replicas_share_their_answers_through_redis(tmp_path, redis):
    with running_service(tmp_path, redis_url=redis.url, redis_deadline=2) as one:
        answer = asked(one, "Todo bien.")
        eventually(lambda: looked_up(one, "stored") == 1)
        with running_service(tmp_path, redis_url=redis.url, redis_deadline=2) as other:
            assert asked(other, "Todo bien.") == answer
            assert looked_up(other, "hit") == 1
            assert other.scrape().total("model_inference_seconds_count", model="sentiment") == 0
            assert asked(other, "Todo bien.") == answer
            assert other.scrape().total("cache_requests_total", tier="process", outcome="hit") == 1
            assert other.get("/readyz").json()["dependencies"]["redis"] == "ok"


@pytest.mark.faults
@pytest.mark.parametrize("fault", ["frozen", "killed"])
def test_a_redis_that_goes_away_costs_no_answer_and_is_taken_back(tmp_path, redis, fault):
    with running_service(tmp_path, redis_url=redis.url) as service:
        first = asked(service, "Nada mal.")
        redis.freeze() if fault == "frozen" else redis.kill()
        for number in range(50):
            asked(service, f"Mensaje {number}.")
        assert asked(service, "Nada mal.") == first
        ready = service.get("/readyz")
        assert ready.status == 200
        assert ready.json()["dependencies"]["redis"] == "down"
        redis.thaw() if fault == "frozen" else redis.start()
        numbers = iter(range(10**6))

        def taken_back():
            asked(service, f"Otro mensaje {next(numbers)}.")
            return service.get("/readyz").json()["dependencies"]["redis"] == "ok"

        eventually(taken_back)
        stored = looked_up(service, "stored")
        asked(service, "Y ahora otra vez.")
        eventually(lambda: looked_up(service, "stored") > stored)
        scrape = service.settled()
        assert not [one for one in scrape.samples if one.labels.get("status", "").startswith("5")]


@pytest.mark.faults
def test_a_service_starts_and_serves_without_its_redis(tmp_path):
    (port,) = free_ports(1)
    with running_service(tmp_path, redis_url=f"redis://127.0.0.1:{port}/0") as service:
        asked(service, "Sin caché también funciona.")
        ready = service.get("/readyz").json()
        assert (ready["ready"], ready["dependencies"]["models"], ready["dependencies"]["redis"]) == (True, "ok", "down")
