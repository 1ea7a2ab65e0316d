"""Clients of the stack's Kafka, each with a deadline; what goes wrong becomes one line.

kafka-python's clients do their work in a thread of their own; they are closed when the block that uses them ends.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TypeVar

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError, RetriableError

from labkit.errors import CannotRun
from labkit.urls import discover

Answer = TypeVar("Answer")

DEADLINE_MS = 4000
CLIENT = "lab"
ANSWERS_IN_TIME = {
    "client_id": CLIENT,
    "bootstrap_timeout_ms": DEADLINE_MS,
    "request_timeout_ms": DEADLINE_MS,
    "reconnect_backoff_max_ms": 500,
}


def bootstrap_servers(environ: Mapping[str, str] = os.environ) -> str:
    """Return host:port, comma separated: LAB_KAFKA, else those of the stack that is up. Raises CannotRun."""
    text = environ.get("LAB_KAFKA") or discover(environ).kafka
    if not text:
        raise CannotRun("this stack has no Kafka; next: lab down, then lab up (or set LAB_KAFKA=host:port)")
    for server in text.split(","):
        host, _, port = server.strip().rpartition(":")
        if not (host and port.isascii() and port.isdigit()):
            raise CannotRun(f"kafka: {server!r} is no address of a broker; next: write host:port")
    return text


def ask(servers: str, question: Callable[[KafkaAdminClient], Answer]) -> Answer:
    """Return the answer to a question about topics or groups.

    A client may turn to a broker that died a moment ago and is still named: it is asked again until the deadline.
    Raises CannotRun.
    """
    deadline = time.monotonic() + DEADLINE_MS / 1000
    with explained(servers):
        while True:
            try:
                with closing(KafkaAdminClient(bootstrap_servers=servers.split(","), **ANSWERS_IN_TIME)) as client:
                    return question(client)
            except RetriableError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


@contextmanager
def reader(servers: str) -> Iterator[KafkaConsumer]:
    """Open a consumer that belongs to no group: it reads where it is told to and leaves no trace. Raises CannotRun."""
    with explained(servers):
        client = KafkaConsumer(
            bootstrap_servers=servers.split(","),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            exclude_internal_topics=False,
            **ANSWERS_IN_TIME,
        )
        try:
            yield client
        finally:
            client.close(timeout_ms=DEADLINE_MS)


@contextmanager
def writer(servers: str) -> Iterator[KafkaProducer]:
    """Open a producer whose messages count once all in-sync replicas have them. Raises CannotRun."""
    with explained(servers):
        client = KafkaProducer(
            bootstrap_servers=servers.split(","),
            acks="all",
            max_block_ms=DEADLINE_MS,
            delivery_timeout_ms=2 * DEADLINE_MS,
            allow_auto_create_topics=False,
            **ANSWERS_IN_TIME,
        )
        try:
            yield client
        finally:
            client.close(timeout=DEADLINE_MS / 1000)


@contextmanager
def explained(servers: str) -> Iterator[None]:
    """Turn Kafka's errors into CannotRun."""
    try:
        yield
    except KafkaError as error:
        raise CannotRun(explanation(error, servers)) from None


def explanation(error: KafkaError, servers: str) -> str:
    """Return the line that says what happened and what next."""
    text = " ".join(str(error).split())
    if isinstance(error, KafkaTimeoutError) and "bootstrap" in text:
        return f"kafka: no broker answers at {servers}; next: lab status"
    name = type(error).__name__
    shown = text if name in text else f"{name}: {text}".removesuffix(": ")
    step = "try again in some seconds, lab status" if error.retriable else "lab kafka topics"
    return f"kafka at {servers}: {shown[:300]}; next: {step}"
