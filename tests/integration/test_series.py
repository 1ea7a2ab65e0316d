"""What a client makes up never becomes a series: labels are closed sets."""

import contextlib
import random
import string
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.raw_http import wire
from tests.service import ROOT, Scrape, Service, end, free_ports, start_bound

REQUESTS = 10_000
MOST_NEW = 50
# Made-up names stand where the routes have parameters, and anywhere else.
SHAPES = (
    "/{}",
    "/models/{}",
    "/models/{}/predict",
    "/v2/models/{}/infer",
    "/v2/models/{}/ready",
    "/v2/models/{}/versions/{}",
    "/jobs/{}",
    "/{}/{}",
)
METHODS = ("GET", "GET", "POST", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "MAKEUP")
LETTERS = string.ascii_letters + string.digits + "-._~%!$&'()*+,;=:@"


def made_up(seed: int) -> Iterator[bytes]:
    """Yield requests with random methods, paths, queries, headers and ids; the same ones for the same seed."""
    draw = random.Random(seed)

    def word() -> str:
        return "".join(draw.choices(LETTERS, k=draw.randint(1, 60))).replace("%", "%25")

    for _ in range(REQUESTS):
        method = draw.choice(METHODS)
        path = draw.choice(SHAPES).format(word(), word()) + (f"?{word()}={word()}" if draw.random() < 0.3 else "")
        body = f'{{"data": [["{word()}"]], "model": "{word()}"}}'.replace("\\", "") if method == "POST" else ""
        lines = [f"{method} {path} HTTP/1.1", "Host: lab", f"X-Request-ID: {word()}", f"Content-Length: {len(body)}"]
        lines += [f"X-{draw.randrange(10**9)}: {word()}", f"traceparent: 00-{draw.getrandbits(128):032x}-{'1' * 16}-01"]
        lines += [f"X-API-Key: {word()}", f"Idempotency-Key: {word()}"]
        yield ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def send_all(port: int) -> None:
    """Send them all, and have an answer to each."""
    with contextlib.ExitStack() as opened:
        connection = opened.enter_context(wire(port))
        for request in made_up(51):
            connection.send(request)
            answer = connection.answer()
            assert answer is not None, request
            assert answer.status < 500, (request, answer)
            if answer.header("connection") == "close":
                connection = opened.enter_context(wire(port))


def test_ten_thousand_made_up_requests_make_few_series(service: Service) -> None:
    before = service.scrape()
    send_all(service.port)
    after = service.settled()
    counted = after.total("http_requests_total") - before.total("http_requests_total")
    assert counted >= REQUESTS
    new = after.series() - before.series()
    print(f"{counted:.0f} requests made {len(new)} series")
    assert len(new) <= MOST_NEW, sorted(new)[:MOST_NEW]


@pytest.fixture
def careless(tmp_path: Path) -> Iterator[int]:
    """The port of a service that labels by path, as a tutorial does."""
    (port,) = free_ports(1)
    with (tmp_path / "careless.log").open("wb") as log:
        process = start_bound(
            [sys.executable, "-m", "tests.integration.careless_metrics", str(port)], cwd=ROOT, stdout=log, stderr=log
        )
    try:
        eventually(lambda: metrics_of(port), within=30, what="the careless service answers")
        yield port
    finally:
        end(process)


def metrics_of(port: int) -> Scrape | None:
    with contextlib.suppress(OSError), wire(port) as connection:
        connection.send(b"GET /metrics HTTP/1.1\r\nHost: lab\r\n\r\n")
        answer = connection.answer()
        return Scrape(answer.body.decode()) if answer else None
    return None


def test_labels_taken_from_the_path_would_make_thousands(careless: int) -> None:
    """The control: the same requests against a service that labels by path."""
    send_all(careless)
    found = metrics_of(careless)
    assert found is not None
    assert len(found.series()) > REQUESTS / 2
