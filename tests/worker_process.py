"""Real worker processes for tests, and what a client of them does: hand in messages, look for answers."""

import contextlib
import http.client
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from kafka import KafkaProducer, TopicPartition

from app.core.jobs import Job, encode
from app.core.topics import JOBS, REQUEST_ID, TOPICS, WORKERS
from tests.eventually import eventually
from tests.kafka_server import KafkaServer
from tests.redis_server import RedisServer
from tests.service import Scrape, end, environment, free_ports, start_bound


class Worker:
    """One worker process. `module` is what runs: a control runs a worker of its own."""

    def __init__(
        self,
        folder: Path,
        kafka: str,
        store: str,
        *,
        module: str = "app.worker",
        name: str = "worker",
        **settings: object,
    ) -> None:
        (self.port,) = free_ports(1)
        self.log = folder / f"{name}-{self.port}.log"
        given: dict[str, object] = {"kafka": kafka, "store_url": store, "metrics_port": self.port, "replica": name}
        with self.log.open("wb") as out:
            self.process = start_bound(
                [sys.executable, "-m", *module.split()], env=environment(**given | settings), stdout=out, stderr=out
            )

    def get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()

    def ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the worker ended with {self.process.returncode}: {self.log.read_text()[-2000:]}")
        return self.get("/readyz")[0] == 200

    def wait_ready(self) -> None:
        eventually(self.ready, within=60, what="the worker is ready")

    def scrape(self) -> Scrape:
        status, body = self.get("/metrics")
        assert status == 200
        return Scrape(body.decode())

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        end(self.process, signal.SIGKILL)

    def stop(self, within: float = 15.0) -> int:
        """Ask it to end; return its exit code, -9 when it had to be killed."""
        return end(self.process, within=within)


@contextlib.contextmanager
def running_worker(folder: Path, kafka: str, store: str, **options: Any) -> Iterator[Worker]:
    """Start a worker, wait until it is ready, end it."""
    worker = Worker(folder, kafka, store, **options)
    try:
        worker.wait_ready()
        yield worker
    finally:
        if worker.process.poll() is None:
            worker.stop()


class Client:
    """Hands in messages as the api does, and reads answers where the api finds them."""

    def __init__(self, kafka: KafkaServer, redis: RedisServer) -> None:
        self._kafka = kafka
        self._redis = redis
        self._producer = KafkaProducer(bootstrap_servers=kafka.servers, linger_ms=5, max_block_ms=20_000)
        with contextlib.closing(kafka.admin()) as admin:
            present = set(admin.list_topics())
            missing = [topic for topic in TOPICS if topic.name not in present]
            if missing:
                copies = {"replication_factor": 1}
                admin.create_topics({one.name: {"num_partitions": one.partitions, **copies} for one in missing})

    def submit(self, model: str, rows: list[Any], *, client: str = "ana", ident: str = "") -> str:
        """Hand in a job; return its id."""
        job = Job(
            id=ident or uuid.uuid4().hex,
            client=client,
            model=model,
            data=msgspec.Raw(json.dumps(rows).encode()),
            request_id=f"request-{model}",
            accepted=time.time(),
        )
        self.put(encode(job), client.encode())
        return job.id

    def put(self, value: bytes | None, key: bytes | None = b"ana", partition: int | None = None) -> Any:
        """Hand in any message; return a future of where it stands."""
        return self._producer.send(JOBS, value, key, [(REQUEST_ID, b"request-raw")], partition)

    def flush(self) -> None:
        self._producer.flush(30)

    def answer(self, ident: str) -> dict[str, Any] | None:
        value = self._redis.client.get(f"result:{ident}")
        return json.loads(value) if value else None

    def answers(self, idents: Iterable[str], within: float = 30.0) -> list[dict[str, Any]]:
        """Return the answers to all of these jobs, in order, once they are there."""
        self.flush()
        keys = [f"result:{ident}" for ident in idents]

        def complete() -> list[Any]:
            values = self._redis.client.mget(keys)
            missing = values.count(None)
            assert not missing, f"{missing} of {len(keys)} jobs have no answer"
            return [json.loads(value) for value in values]

        return eventually(complete, within=within, what="all jobs are answered")

    def committed(self) -> dict[TopicPartition, int]:
        """Return the group's offset of each partition that has one."""
        with contextlib.closing(self._kafka.admin()) as admin:
            offsets = admin.list_group_offsets(WORKERS)[WORKERS]
        return {one: place.offset for one, place in offsets.items() if place.offset >= 0}

    def all_committed(self) -> bool:
        """Say whether the group is at the end of every partition of `jobs`."""
        ends: dict[int, int] = {}
        for record in self._kafka.records(JOBS):
            ends[record.partition] = record.offset + 1
        committed = self.committed()
        return all(committed.get(TopicPartition(JOBS, partition)) == end for partition, end in ends.items())

    def close(self) -> None:
        self._producer.close(10)
