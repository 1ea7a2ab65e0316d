"""Real Kafka brokers for tests: one alone, or three as a cluster; started again, each has its port and its data."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from labkit.home import find_home
from labkit.stack.obtain import java
from labkit.stack.obtain.kafka import CURRENT
from tests.eventually import eventually
from tests.service import ROOT, end, free_ports, start_bound

_CLUSTER_ID = "dGVzdHMtb2Yta2Fma2EhIQ"
_SMALL = ("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_QUIET = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"


@cache
def _java() -> tuple[str, ...]:
    """The start of a command: the stack's own Java and jars, which are obtained once and for all."""
    home = find_home()
    runtime = java.find(home) or java.obtain(home, print)
    jars = CURRENT.find(home) or CURRENT.obtain(home, print)
    return (runtime.path, *_SMALL, _QUIET, "-cp", f"{jars.path}/*")


class _Broker:
    """One broker, which is one of the controllers too; configured by the file that `lab up` uses."""

    def __init__(self, number: int, folder: Path, port: int, voters: dict[int, int]) -> None:
        self.number = number
        self.port = port
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        shipped = ROOT / "kafka-config" / ("server.properties" if len(voters) == 1 else "cluster.properties")
        own = {
            "node.id": str(number),
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{voters[number]}",
            "controller.quorum.voters": ",".join(f"{one}@127.0.0.1:{voters[one]}" for one in voters),
            "log.dirs": str(folder / "data"),
        }
        lines = [line for line in shipped.read_text().splitlines() if line.split("=")[0] not in own]
        self._properties = folder / "server.properties"
        self._properties.write_text("\n".join([*lines, *map("=".join, own.items())]))
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start the process; it answers some seconds later."""
        properties = str(self._properties)
        with (self._folder / "kafka.log").open("ab") as log:
            if not (self._folder / "data" / "meta.properties").exists():
                layout = ("kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", properties)
                subprocess.run([*_java(), *layout], stdout=log, stderr=log, timeout=60, check=True)
            self.process = start_bound([*_java(), "kafka.Kafka", properties], stdout=log, stderr=log)

    def send(self, number: int) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        if self.process is not None and self.runs:
            end(self.process, signal.SIGKILL)

    def answers(self) -> bool:
        """Say whether a client gets an answer from this very broker."""
        # A client of a port that nobody listens on would leave a thread behind.
        socket.create_connection(("127.0.0.1", self.port), 1).close()
        assert self.process is not None
        if self.process.poll() is not None:
            log = (self._folder / "kafka.log").read_text(errors="replace")
            raise AssertionError(f"broker {self.number} ended with {self.process.returncode}: {log[-2000:]}")
        with contextlib.closing(_admin(f"127.0.0.1:{self.port}")) as admin:
            return any(node["broker_id"] == self.number for node in admin.describe_cluster()["brokers"])


def _admin(servers: str) -> Any:
    return KafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=3000, bootstrap_timeout_ms=3000)


class _Reads:
    """What a test sees of the log with a client of its own."""

    servers: str

    def admin(self) -> Any:
        """Return a client for topics and groups; the caller closes it."""
        return _admin(self.servers)

    def records(self, topic: str) -> list[Any]:
        """Return all records of a topic as they stand now, partition by partition, oldest first."""
        consumer = KafkaConsumer(bootstrap_servers=self.servers, enable_auto_commit=False, auto_offset_reset="earliest")
        with contextlib.closing(consumer):
            partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
            consumer.assign(partitions)
            ends = consumer.end_offsets(partitions)
            consumer.seek_to_beginning(*partitions)
            found: list[Any] = []

            def complete() -> bool:
                for batch in consumer.poll(timeout_ms=200).values():
                    found.extend(batch)
                return all(consumer.position(one) >= ends[one] for one in partitions)

            eventually(complete, within=60, every=0, what=f"the records of {topic} up to {ends}")
        return sorted(found, key=lambda record: (record.partition, record.offset))


class KafkaServer(_Reads):
    """One broker, started by `start`; `servers` is what clients are given."""

    def __init__(self, folder: Path) -> None:
        self.port, controller = free_ports(2)
        self.servers = f"127.0.0.1:{self.port}"
        self._broker = _Broker(1, folder, self.port, {1: controller})

    def launch(self) -> None:
        """Start the broker and do not wait for it. It lives as long as the thread that calls this."""
        self._broker.launch()

    def start(self) -> None:
        self.launch()
        eventually(self._broker.answers, within=60, every=0.2, what="Kafka answers")

    def freeze(self) -> None:
        self._broker.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._broker.send(signal.SIGCONT)

    def kill(self) -> None:
        self._broker.kill()

    def mend(self) -> None:
        """Undo what a test did to it."""
        if self._broker.runs:
            self.thaw()
        else:
            self.start()

    def close(self) -> None:
        self._broker.kill()


class KafkaCluster(_Reads):
    """Brokers 1 to 3, started by `start_all`: three replicas of everything, two of them in sync at least."""

    def __init__(self, folder: Path) -> None:
        ports = free_ports(6)
        voters = dict(zip((1, 2, 3), ports[3:], strict=True))
        self.servers = ",".join(f"127.0.0.1:{port}" for port in ports[:3])
        self._brokers = {n: _Broker(n, folder / str(n), ports[n - 1], voters) for n in voters}

    def start_all(self, numbers: Iterable[int] = (1, 2, 3)) -> None:
        """Start brokers; back in service when this returns, in sync some seconds later."""
        for number in numbers:
            self.launch(number)
        for number in numbers:
            eventually(self._brokers[number].answers, within=90, every=0.2, what=f"broker {number} answers")

    def launch(self, number: int) -> None:
        """Start a broker and do not wait for it. It lives as long as the thread that calls this."""
        self._brokers[number].launch()

    def kill(self, number: int) -> None:
        self._brokers[number].kill()

    def freeze(self, number: int) -> None:
        self._brokers[number].send(signal.SIGSTOP)

    def thaw(self, number: int) -> None:
        self._brokers[number].send(signal.SIGCONT)

    def leader(self, topic: str, partition: int = 0) -> int:
        """Return the number of the broker that leads the partition."""
        return int(self._partition(topic, partition)["leader_id"])

    def in_sync(self, topic: str, partition: int = 0) -> set[int]:
        """Return the numbers of the brokers that have all of the partition."""
        return set(self._partition(topic, partition)["isr_nodes"])

    def mend(self) -> None:
        """Undo what a test did to them."""
        for broker in self._brokers.values():
            if broker.runs:
                broker.send(signal.SIGCONT)
        self.start_all([number for number, broker in self._brokers.items() if not broker.runs])

    def close(self) -> None:
        for broker in self._brokers.values():
            broker.kill()

    def _partition(self, topic: str, partition: int) -> Any:
        with contextlib.closing(self.admin()) as admin:
            (described,) = admin.describe_topics([topic])
        return next(one for one in described["partitions"] if one["partition_index"] == partition)


@contextlib.contextmanager
def running_kafka(folder: Path) -> Iterator[KafkaServer]:
    """Start a broker and end it."""
    with contextlib.closing(KafkaServer(folder)) as server:
        server.start()
        yield server


@contextlib.contextmanager
def running_cluster(folder: Path) -> Iterator[KafkaCluster]:
    """Start three brokers and end them."""
    with contextlib.closing(KafkaCluster(folder)) as cluster:
        cluster.start_all()
        yield cluster
