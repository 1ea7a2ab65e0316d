"""The bench's own parts, against real servers: who answers wrongly, or not at all, is not measured."""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench import wrk
from bench.__main__ import main
from bench.agreement import answers, require_equal
from bench.bodies import SERIAL, iris_bodies, wine_bodies, write
from bench.errors import CannotMeasure
from bench.processes import choose_cores


class Seen(BaseHTTPRequestHandler):
    """Keeps the bodies that it gets, and answers the status that the path asks for."""

    protocol_version = "HTTP/1.1"
    bodies: list[bytes]

    def do_POST(self):
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        answer = b'{"result": [1]}'
        self.send_response(int(self.path.strip("/")))
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@contextmanager
def serving() -> Iterator[tuple[str, list[bytes]]]:
    bodies: list[bytes] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Seen,), {"bodies": bodies}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", bodies
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_every_body_is_json_of_one_row_with_the_serial_number_in_place():
    for bodies, width in ((iris_bodies(), 4), (wine_bodies(), 13)):
        rows = [json.loads(body.replace(SERIAL, "000000042"))["data"] for body in bodies]
        assert {(len(one), len(one[0])) for one in rows} == {(1, width)}
    assert len(set(wine_bodies())) == len(wine_bodies())


def test_the_answers_of_two_servers_are_compared_body_by_body():
    with serving() as (url, bodies):
        assert answers(url, "/200", wine_bodies()[:3]) == [[1]] * 3
        assert all(SERIAL.encode() not in body for body in bodies)
    require_equal("one", [[1], [2]], "other", [[1], [2]])
    with pytest.raises(CannotMeasure, match=r"one and other differ in 1 of 2 answers \(body 1: \[2\] and \[0\]\)"):
        require_equal("one", [[1], [2]], "other", [[1], [0]])


def test_a_server_that_refuses_a_body_is_not_measured():
    with serving() as (url, _), pytest.raises(CannotMeasure, match="/503 answered 503"):
        answers(url, "/503", iris_bodies()[:1])


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not on PATH; make bench says how to get it")
def test_wrk_sends_no_two_equal_bodies_and_reports_what_was_refused(tmp_path):
    core = choose_cores().load
    with serving() as (url, bodies):
        texts = write(wine_bodies(), tmp_path / "bodies")
        said = wrk.drive("wrk", core, f"{url}/200", texts, connections=4, seconds=1, first_serial=7)
        assert said.requests > 0
        assert (said.refused, said.broken) == (0, 0)
        assert said.requests <= len(bodies) <= said.requests + 4
        assert len(set(bodies)) == len(bodies)
        assert {len(json.loads(body)["data"][0]) for body in bodies} == {13}
        refused = wrk.drive("wrk", core, f"{url}/503", texts, connections=4, seconds=1, first_serial=7)
        assert refused.refused == refused.requests > 0


def test_a_bench_that_cannot_measure_says_why_in_one_line_and_exits_2(tmp_path, capsys):
    if shutil.which("wrk") is None:
        pytest.skip("wrk is not on PATH")
    assert main(["--only", "forest", "--rounds", "1", "--seconds", "1", "--models", str(tmp_path / "none")]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("bench: naive-forest ended at its start")
    assert "manifest.json" in said
