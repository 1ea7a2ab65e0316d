"""The collector's group: GELF into a store, the collector on one core, its senders on the other.

Into SQLite at a rate that is promised, with nobody waiting for the collector: what it cannot take is lost, and
counted. Into Elasticsearch, when that is here already, as fast as it goes: a figure, no promise.
"""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.request import urlopen

import msgspec

from bench import processes
from bench.errors import CannotMeasure
from bench.gelf_sender import Order, Sent
from bench.processes import Cores, Server, confined, free_port
from bench.rounds import Plan, Sample, Say, busy_seconds, children_cpu, strangers_percent
from bench.wrk import Answers
from labkit.home import find_home
from labkit.stack.obtain import elasticsearch

COLLECTOR = "collector"
PROMISED = 20_000
"""Records a second."""
WARM_UP_SECONDS = 1.0
SETTLE_SECONDS = 60.0
OFFERED, SQLITE, ELASTIC = "gelf-offered", "collector-sqlite", "collector-elasticsearch"
TOLD = {
    OFFERED: f"what was sent by UDP: {PROMISED:,} records/s of 420 bytes, by a process on the other core",
    SQLITE: "those of them that the collector, on one core, has stored in SQLite with full-text search",
    ELASTIC: "records by TCP, as fast as they are taken, stored in Elasticsearch; it and the sender on the other core",
}


def measure_collector(plan: Plan, cores: Cores, say: Say) -> list[Sample]:
    """Measure it round after round. Raises CannotMeasure."""
    with tempfile.TemporaryDirectory(prefix="bench-logs-") as name, ExitStack() as opened:
        folder = Path(name)
        into_files = opened.enter_context(_collector(SQLITE, {"LAB_LOGS_DIR": str(folder / "logs")}, cores, folder))
        runs = [(into_files, PROMISED)]
        if url := opened.enter_context(_elasticsearch(cores, folder, say)):
            to_server = _collector(ELASTIC, {"LAB_ELASTICSEARCH_URL": url}, cores, folder)
            runs.append((opened.enter_context(to_server), 0))
        samples: list[Sample] = []
        for collector, rate in runs:
            say(f"warming up {collector.name}")
            collector.measured(0, WARM_UP_SECONDS, rate)
        for number in range(1, plan.rounds + 1):
            for collector, rate in runs:
                found, told = collector.measured(number, plan.seconds, rate)
                samples += found
                say(f"round {number} of {plan.rounds}: {collector.name}: {told}")
        return samples


@contextmanager
def _collector(name: str, store: Mapping[str, str], cores: Cores, folder: Path) -> Iterator["_Collector"]:
    gelf = free_port()

    def command(port: int) -> tuple[Sequence[str], Mapping[str, str]]:
        own = {"LAB_GELF_PORT": str(gelf), "LAB_METRICS_PORT": str(port), "LAB_LOGS_BYTES": str(1 << 30)}
        return [sys.executable, "-m", "app.collector"], {**own, **store}

    with processes.running(name, command, cores.server, folder) as server:
        yield _Collector(name, server, gelf, cores)


@contextmanager
def _elasticsearch(cores: Cores, folder: Path, say: Say) -> Iterator[str]:
    """Run a node beside the sender; give its URL, "" when it is not here."""
    program = elasticsearch.find(find_home())
    if program is None:
        say("no Elasticsearch is here (lab up --profile search fetches it): left out")
        yield ""
        return
    say("starting Elasticsearch")
    transport = free_port()

    def command(port: int) -> tuple[Sequence[str], Mapping[str, str]]:
        flags = (*elasticsearch.SMALL, *elasticsearch.settings(port, transport, folder / "elasticsearch"))
        return [program.path, *flags, *program.arguments], {}

    with processes.running("elasticsearch", command, cores.load, folder) as server:
        yield server.url


class _Collector:
    """A running collector and what it counts."""

    def __init__(self, name: str, server: Server, port: int, cores: Cores) -> None:
        self.name = name
        self._server = server
        self._port = port
        self._cores = cores

    def measured(self, number: int, seconds: float, rate: int) -> tuple[list[Sample], str]:
        """Send, wait until every record has met its fate; return the samples and what to tell of it."""
        cores = (self._cores.server, self._cores.load)
        before, cpu = self._counts(), self._server.cpu_seconds()
        began, busy = time.monotonic(), busy_seconds(cores)
        sent, sender_cpu = self._send(Order(self._port, seconds, rate))
        after = self._settled(before, sent)
        elapsed, used = time.monotonic() - began, self._server.cpu_seconds() - cpu
        received, stored, lost = (after[name] - before[name] for name in ("received", "stored", "lost"))
        others = strangers_percent(cores, busy, used + sender_cpu, elapsed) if rate else 0.0
        # By TCP the sender has handed over long before the store has written.
        lasted = sent.seconds if rate else elapsed

        def sample(contender: str, count: int, behind: bool) -> Sample:
            return Sample(
                contender=contender,
                round=number,
                answers=Answers(count, lasted, 0, 0, 0, refused=0, broken=int(behind)),
                cpu_us=used / max(1, stored) * 1e6,
                server_percent=100 * used / elapsed,
                strangers_percent=others,
                rss_bytes=self._server.rss_bytes(),
                load_percent=100 * sender_cpu / elapsed,
            )

        samples = [sample(self.name, stored, behind=False)]
        if rate:
            # A sender that could not keep the rate offers less than was promised: the round says nothing.
            samples.insert(0, sample(OFFERED, sent.records, behind=sent.records / sent.seconds < 0.99 * rate))
        told = f"offered {sent.records:,}, received {received:,}, stored {stored:,}, lost by the kernel {lost:,}"
        return samples, f"{told}; {used / max(1, stored) * 1e6:.1f} µs of processor time a record"

    def _send(self, order: Order) -> tuple[Sent, float]:
        """Return what was sent, and the processor time of who sent it."""
        command = confined(self._cores.load, [sys.executable, "-m", "bench.gelf_sender"])
        wait = order.seconds + SETTLE_SECONDS
        before = children_cpu()
        done = subprocess.run(command, input=msgspec.json.encode(order), capture_output=True, timeout=wait, check=False)
        if done.returncode:
            said = (done.stderr.decode(errors="replace").strip() or "nothing").splitlines()[-1]
            raise CannotMeasure(f"the sender of {self.name} ended with {done.returncode} and said: {said}")
        return msgspec.json.decode(done.stdout, type=Sent), children_cpu() - before

    def _settled(self, before: Mapping[str, int], sent: Sent) -> dict[str, int]:
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            counts = self._counts()
            arrived = counts["received"] + counts["lost"] - before["received"] - before["lost"]
            if (arrived >= sent.records and not counts["waiting"]) or time.monotonic() > deadline:
                return counts
            time.sleep(0.05)

    def _counts(self) -> dict[str, int]:
        with urlopen(f"{self._server.url}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        patterns = {
            "received": r"^gelf_received_total\S* (\S+)",
            "lost": r"^gelf_socket_drops_total\S* (\S+)",
            "stored": r'^log_documents_total\S*outcome="stored"\S* (\S+)',
            "waiting": r"^collector_queue_records (\S+)",
        }
        return {
            name: sum(int(float(value)) for value in re.findall(pattern, text, re.MULTILINE))
            for name, pattern in patterns.items()
        }
