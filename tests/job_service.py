"""What tests of jobs and feedback share: keys, a log that keeps what it is given, an application wired with both."""

import asyncio
import dataclasses
import json
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from app.api.application import Application, create
from app.bootstrap import Services
from app.core.errors import QueueAway
from app.core.ports import JobStore
from tests.asgi import Received, exchange
from tests.fake_models import kernels
from tests.service import Scrape

JOB = {"model": "iris", "data": [[1, 0, 0, 0], [2, 0, 0, 0]]}
KEYS = {"ana": "key-of-ana", "eva": "key-of-eva"}


def keys_file(folder: Path, keys: dict[str, str] | None = None) -> Path:
    """Write the file that `lab keys` would write; return its path."""
    path = folder / "api-keys.json"
    digests = {client: sha256(key.encode()).hexdigest() for client, key in (KEYS if keys is None else keys).items()}
    path.write_text(json.dumps(digests))
    return path


class Published(NamedTuple):
    topic: str
    key: bytes
    value: bytes
    request_id: bytes

    def json(self) -> Any:
        return json.loads(self.value)


class FakeLog:
    """A MessageLog in memory; `away`: it refuses all; `acknowledges` cleared: it keeps everybody waiting."""

    def __init__(self) -> None:
        self.published: list[Published] = []
        self.calls = 0
        self.away = False
        self.acknowledges = asyncio.Event()
        self.acknowledges.set()

    async def publish(self, topic: str, key: bytes, value: bytes, request_id: bytes) -> None:
        self.calls += 1
        if self.away:
            raise QueueAway("Kafka is away")
        await self.acknowledges.wait()
        self.published.append(Published(topic, key, value, request_id))

    @property
    def well(self) -> bool:
        return not self.away


class Wired:
    """An application with a real store, a fake log and two keys."""

    def __init__(self, services: Services, log: FakeLog | None, store: JobStore | None = None) -> None:
        self.services = dataclasses.replace(services, message_log=log, job_store=store or services.job_store)
        self.app: Application = create(self.services)[0]

    async def ask(self, method: str, path: str, body: Any = b"", key: str = KEYS["ana"], **headers: str) -> Received:
        """Send one request; documents go as JSON, bytes as they are; `idempotency_key` is a header."""
        fields = [(name.replace("_", "-"), value) for name, value in headers.items()]
        if key:
            fields.append(("x-api-key", key))
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await exchange(self.app, method, path, data, fields)

    def scrape(self) -> Scrape:
        return Scrape(self.services.metrics.exposition().decode())

    def submitted(self, **labels: str) -> float:
        """Return how many jobs (`model="iris"`: of a model) were counted as accepted."""
        return self.scrape().total("jobs_submitted_total", **labels)


def problem(answer: Received, status: int, kind: str) -> str:
    """Check an error answer and its standard headers; return its detail."""
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json"), answer
    body = answer.json()
    assert (body["type"], body["status"]) == (f"urn:lab:problem:{kind}", status)
    assert body["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["x-model-version"] == "none"
    assert "server-timing" in answer.headers
    return str(body["detail"])


async def wired(built: Any, folder: Path, store_url: str, log: FakeLog | None, **settings: Any) -> Wired:
    """Wire services as the composition root does, but for the log."""
    given = {"store_url": store_url, "store_deadline": 5.0, "api_keys_file": str(keys_file(folder))} | settings
    return Wired(await built(kernels(), **given), log)
