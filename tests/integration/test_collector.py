"""A real collector process: what senders hand in is in SQLite, and what is not is counted."""

import contextlib
import gzip
import json
import re
import signal
import socket
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.adapters.log_segments import SMALLEST
from tests.collector_process import Collector, chunks, encoded, every_packing, message, running_collector
from tests.eventually import eventually
from tests.service import ROOT, environment, free_ports


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    with running_collector(tmp_path) as running:
        yield running


def bursts(datagrams: list[bytes], collector: Collector) -> None:
    """Send by UDP, at most as many at once as the smallest usual buffer takes."""
    for start in range(0, len(datagrams), 100):
        before = collector.counts()
        part = datagrams[start : start + 100]
        collector.send_udp(part)
        collector.settled(before["received"] + before["refused"] + len(part))


def test_every_way_in_ends_in_the_store_with_exact_counts(collector: Collector) -> None:
    plain = [encoded(message(number, _way="udp")) for number in range(400)]
    packed = [every_packing(data)[number % 4] for number, data in enumerate(plain)]
    bursts(packed, collector)
    cut = [encoded(message(1000 + n, _way="chunks", full_message="trace\n" * 2000)) for n in range(20)]
    for number, data in enumerate(cut):
        collector.send_udp(list(reversed(chunks(data, 1400, number.to_bytes(8, "big")))))
    collector.settled(420)
    frames = [encoded(message(2000 + number, _way="tcp")) for number in range(3000)]
    collector.send_tcp(b"\0".join(frames) + b"\0\0\n\0")
    counts = collector.settled(3420)
    expected = {"received": 3420, "stored": 3420}
    assert counts == {**dict.fromkeys(counts, 0), **expected}

    scrape = collector.scrape()
    by_transport = {one: scrape.total("gelf_received_total", transport=one) for one in ("udp", "tcp", "file")}
    assert by_transport == {"udp": 420, "tcp": 3000, "file": 0}
    records = collector.records()
    assert sorted(record.request_id or "" for record in records) == sorted(
        f"request-{number}" for number in (*range(400), *range(1000, 1020), *range(2000, 5000))
    )
    cut_one = next(record for record in records if record.request_id == "request-1007")
    assert json.loads(cut_one.fields or "")["full_message"] == "trace\n" * 2000


def test_hostile_input_is_counted_by_reason_and_ends_nothing(collector: Collector) -> None:
    before = collector.scrape().series()
    hostile = [
        b"", b"\0", b"{", b"[]", b"null", b"\x1e\x0f", b"\x1e", b"\x78\x9c", b"\x1f\x8b", b"\x1f", b"\xff" * 9000,
        b"[" * 60_000, zlib.compress(b" " * (32 << 20)), gzip.compress(b"x" * (32 << 20)),
        encoded({"version": "1.1", "host": "h", "short_message": None}),
        encoded({"version": "1.1\n", "host": "h", "short_message": "m"}),
    ]  # fmt: skip
    kept = [
        encoded(message(1, short_message="a\r\nb\x1b[31m\x00", _request_id="x" * 60_000)),
        encoded(message(2, **{f"_field{n}": n for n in range(900)})),
        encoded(message(3, host='evil",le="', _event="\N{BOMB}", _status=10**30, level=-(10**30))),
    ]
    bursts([*hostile, *kept], collector)
    collector.send_tcp(b"not json\0" + encoded(message(4)) + b"\0" + b"an end that never comes")
    with contextlib.suppress(OSError):  # it hangs up
        collector.send_tcp(b"x" * (2 << 20))

    def all_refused() -> bool:
        return collector.counts()["refused"] == len(hostile) + 3

    eventually(all_refused, what="each hostile message is counted")
    counts = collector.settled(4 + len(hostile) + 3)
    assert (counts["stored"], counts["dropped"], counts["rejected"]) == (4, 0, 0)
    scrape = collector.scrape()
    refused = {reason: scrape.total("gelf_rejected_total", reason=reason) for reason in ("too-large", "incomplete")}
    assert refused == {"too-large": 3, "incomplete": 1}
    assert scrape.series() == before, "no input makes a label"
    first = collector.records()[0]
    assert (first.message, len(first.request_id or "")) == ("a\r\nb\x1b[31m\x00", 60_000)
    assert collector.process.poll() is None


def test_a_message_whose_chunks_never_come_is_counted_as_incomplete(collector: Collector) -> None:
    collector.send_udp(chunks(encoded(message(1)), 50)[:-1])

    def given_up() -> bool:
        return collector.scrape().total("gelf_rejected_total", transport="udp", reason="incomplete") == 1

    eventually(given_up, within=30, what="it is given up")
    assert collector.counts()["received"] == 0


def test_messages_begun_and_never_ended_are_bounded(collector: Collector) -> None:
    begun = [b"\x1e\x0f" + number.to_bytes(8, "big") + b"\x00\x02" + bytes(1000) for number in range(1500)]

    def refused() -> int:
        return int(collector.scrape().total("gelf_rejected_total", transport="udp", reason="incomplete"))

    collector.send_udp(begun)

    def all_given_up() -> bool:
        return refused() + collector.counts()["lost"] == 1500

    eventually(all_given_up, within=30, what="those beyond 1024 at once, the others when their time is over")
    assert refused() > 0
    bursts([encoded(message(1))], collector)
    assert collector.counts()["stored"] == 1


def test_the_log_of_the_edge_is_followed_over_a_rotation(tmp_path: Path) -> None:
    log = tmp_path / "traefik.log"
    log.write_bytes(b'{"DownstreamStatus": 200, "msg": "before our time"}\n')

    def line(number: int) -> bytes:
        fields = {"DownstreamStatus": 200, "RequestMethod": "GET", "RequestPath": f"/{number}", "Duration": 1000}
        return encoded(fields) + b"\n"

    with running_collector(tmp_path, follow_file=log) as collector:
        with log.open("ab") as file:
            file.write(b"".join(map(line, range(2000))) + b"no json\n")
        collector.settled(2001)
        log.rename(tmp_path / "traefik.log.1")
        log.write_bytes(b"".join(map(line, range(2000, 2100))))
        counts = collector.settled(2101)
        assert (counts["received"], counts["refused"], counts["stored"]) == (2100, 1, 2100)
        assert [record.path for record in collector.records()] == [f"/{number}" for number in range(2100)]


def test_what_has_arrived_is_written_at_the_end(tmp_path: Path) -> None:
    with running_collector(tmp_path) as collector:
        collector.send_udp([encoded(message(number)) for number in range(100)])
        collector.send_tcp(b"".join(encoded(message(number)) + b"\0" for number in range(100, 1000)))
        assert collector.stop() == 0
        assert len(collector.records()) == 1000


def test_a_full_disk_fills_the_buffer_then_drops_exactly_and_passes_by_itself(tmp_path: Path) -> None:
    with running_collector(tmp_path, collector_buffer=500) as collector:
        bursts([encoded(message(number)) for number in range(50)], collector)
        collector.largest_file(4096)
        total = 50
        # The writer may have taken some when the disk is found full, and those count as waiting as well.
        for start in range(50, 2050, 100):
            collector.send_udp([encoded(message(number)) for number in range(start, start + 100)])
            total += 100
            arrived = total
            eventually(lambda: collector.counts()["received"] == arrived, what="they are received all the same")  # noqa: B023

        def settled() -> dict[str, int] | None:
            counts = collector.counts()
            return counts if counts["received"] == counts["stored"] + counts["dropped"] + counts["waiting"] else None

        away = eventually(settled, what="each record is stored, dropped or waiting")
        assert away["received"] == total
        assert 500 <= away["waiting"] <= 1000
        assert away["dropped"] >= 1000
        assert eventually(lambda: collector.counts()["retries"] > 2)
        assert collector.get("/readyz") == (503, b'{"ready":false,"dependencies":{"sqlite":"down"}}')
        assert collector.get("/healthz")[0] == 200
        assert len(collector.records()) == 50, "the control: nothing is stored meanwhile"

        collector.largest_file(-1)
        counts = collector.settled(total)
        assert counts["dropped"] == away["dropped"]
        assert counts["stored"] == total - counts["dropped"]
        ids = [record.request_id for record in collector.records()]
        assert len(ids) == len(set(ids)) == counts["stored"], "none twice"
        bursts([encoded(message(9999))], collector)
        assert collector.counts()["stored"] == counts["stored"] + 1
        assert re.findall(r"store sqlite: [^\"]*", collector.output.read_text()) != []


def test_a_sender_by_tcp_waits_while_the_store_is_away_and_loses_nothing(tmp_path: Path) -> None:
    with running_collector(tmp_path, collector_buffer=2000) as collector:
        bursts([encoded(message(0))], collector)
        collector.largest_file(4096)
        sock = socket.create_connection(("127.0.0.1", collector.gelf))
        with sock:
            sock.setblocking(False)
            data = memoryview(b"".join(encoded(message(number)) + b"\0" for number in range(1, 40_000)))
            sent = 0

            def stuck() -> bool:
                nonlocal sent
                with contextlib.suppress(BlockingIOError):
                    while sent < len(data):
                        sent += sock.send(data[sent : sent + 65536])
                return sent < len(data)

            assert eventually(stuck)
            received = eventually(lambda: stuck() and collector.counts()["received"] > 2000 and collector.counts())
            assert received["dropped"] == 0
            assert received["waiting"] < 8000, "it stopped reading"
            collector.largest_file(-1)
            sock.setblocking(True)
            sock.sendall(data[sent:])
        counts = collector.settled(40_000, within=60)
        assert (counts["received"], counts["stored"], counts["dropped"]) == (40_000, 40_000, 0)


def test_the_store_stays_within_its_bytes(tmp_path: Path) -> None:
    with running_collector(tmp_path, logs_bytes=8 * SMALLEST) as collector:
        frames = b"".join(encoded(message(number, _note="n" * 700)) + b"\0" for number in range(10_000))
        for _ in range(3):
            collector.send_tcp(frames)
        counts = collector.settled(30_000, within=60)
        assert counts["stored"] == 30_000
        held = sum(path.stat().st_size for path in collector.folder.iterdir())
        assert 3 * SMALLEST < held <= 8 * SMALLEST
        assert len(collector.records()) < 30_000, "the control: the oldest had to go"
        assert collector.scrape().total("log_store_bytes", store="sqlite") <= 8 * SMALLEST


def test_a_start_that_cannot_be_says_why_in_one_line(tmp_path: Path, collector: Collector) -> None:
    (port,) = free_ports(1)

    def refused(**settings: object) -> str:
        given: dict[str, object] = {"metrics_port": port, "gelf_port": port, "logs_dir": tmp_path}
        command = [sys.executable, "-m", "app.collector"]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment(**given | settings),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        return line

    assert "LAB_LOGS_DIR='', LAB_ELASTICSEARCH_URL='': set exactly one" in refused(logs_dir="")
    assert "set exactly one" in refused(elasticsearch_url="http://127.0.0.1:1")
    assert "LAB_ELASTICSEARCH_URL='nonsense': " in refused(logs_dir="", elasticsearch_url="nonsense")
    assert "LAB_LOGS_BYTES=1000: a store of logs takes 1048576 bytes at least" in refused(logs_bytes=1000)
    assert f"LAB_GELF_PORT={collector.gelf}: UDP on 127.0.0.1" in refused(gelf_port=collector.gelf)
    assert f"LAB_METRICS_PORT={collector.port}" in refused(metrics_port=collector.port)
    (tmp_path / "file").touch()
    assert "is a file; name a folder" in refused(logs_dir=tmp_path / "file")


@pytest.mark.faults
def test_what_a_standing_collector_loses_is_what_the_kernel_counts(collector: Collector) -> None:
    datagram = encoded(message(1)).ljust(1400)
    bursts([datagram] * 10, collector)
    collector.send(signal.SIGSTOP)
    sent = 10 + 150_000  # more than any buffer that the kernel grants
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", collector.gelf))
        for _ in range(150_000):
            sock.send(datagram)
    drops = kernel_drops(collector)
    collector.send(signal.SIGCONT)
    counts = eventually(lambda: all_accounted(collector, sent), within=60, what="sent = received + lost")
    assert counts["lost"] == drops == kernel_drops(collector)
    assert 0 < drops < sent
    assert counts["stored"] + counts["dropped"] == sent - drops
    bursts([encoded(message(7))], collector)
    assert collector.counts()["lost"] == drops, "and it goes on as before"


def all_accounted(collector: Collector, sent: int) -> dict[str, int] | None:
    counts = collector.counts()
    return counts if counts["received"] + counts["lost"] == sent and not counts["waiting"] else None


def kernel_drops(collector: Collector) -> int:
    """Return what /proc says of the collector's socket."""
    for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].split(":")[1], 16) == collector.gelf:
            return int(fields[-1])
    raise AssertionError(f"nobody listens on UDP port {collector.gelf}")


def test_a_collector_for_sqlite_loads_neither_models_nor_clients() -> None:
    program = "import sys, app.collector.__main__; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "app.adapters.log_segments" in loaded, "the control"
    assert loaded.isdisjoint(
        {"elasticsearch", "elastic_transport", "numpy", "kafka", "redis", "onnxruntime", "sqlalchemy"}
    )
