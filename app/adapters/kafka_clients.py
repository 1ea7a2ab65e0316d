"""Clients of Kafka that wait a bounded time for it, and leave nothing behind when it is away."""

import contextlib
import logging
import select
import socket
import struct
from collections.abc import Callable
from typing import Any, Final

from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient

from app.core.errors import QueueAway

# These tell of every try; that Kafka is away, and that it is back, is told once by those who need it.
for _name in ("kafka.net", "kafka.cluster", "kafka.producer"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

# A broker that does not answer is given up after this time.
REQUEST_MS: Final = 1000
# One that is gone is tried again at least so often; by default the pauses grow to 30 seconds.
_RECONNECT_MS: Final = 500
# The shortest wait for the network: what comes ends it at once.
_REST_MS: Final = 2
# The shortest request of Kafka's protocol: ApiVersions, version 0, without a client's name (size, key, version, number,
# no name).
_API_VERSIONS: Final = struct.pack(">ihhih", 10, 18, 0, 1, -1)


class RestingClient(KafkaNetClient):  # type: ignore[misc]  # kafka-python has no types
    """A client that never looks at the network without waiting for it.

    While a partition waits for an answer and has more to send, the producer of kafka-python 3.0 looks 45,000 times a
    second: a broker that stood still would cost the service its speed.
    """

    def poll(self, timeout_ms: float | None = None, future: Any = None) -> None:
        super().poll(timeout_ms=timeout_ms if timeout_ms is None else max(timeout_ms, _REST_MS), future=future)


def build(make: Callable[..., Any], servers: str, **options: Any) -> Any:
    """Return a KafkaProducer, KafkaConsumer or KafkaAdminClient (`make`), or raise QueueAway after a second or two.

    A constructor of kafka-python 3.0 that finds no broker leaves behind a socket for each try and, the admin client's,
    a thread that runs for ever. Hence a look who answers, and a connection that can be closed here.
    """
    addresses = _answering(servers.split(","))
    if not addresses:
        raise QueueAway(f"nobody answers at {servers}")
    connections: list[RestingClient] = []

    def connect(**configuration: Any) -> Any:
        # No setting of the clients: by default a host that does not answer holds a connection up for 10 seconds.
        limits = {
            "socket_connection_setup_timeout_ms": REQUEST_MS,
            "socket_connection_setup_timeout_max_ms": REQUEST_MS,
        }
        connections.append(RestingClient(**configuration | limits))
        return connections[-1]

    try:
        return make(
            bootstrap_servers=addresses,
            kafka_client=connect,
            bootstrap_timeout_ms=REQUEST_MS,
            reconnect_backoff_max_ms=_RECONNECT_MS,
            **options,
        )
    except (KafkaError, OSError) as error:
        for connection in connections:
            connection.close()
        raise QueueAway(f"no broker of {servers} answers ({type(error).__name__}: {error})") from error


def _answering(addresses: list[str]) -> list[str]:
    """Return the brokers that answer soonest: one that is frozen accepts connections, and never says a word."""
    asked: dict[socket.socket, str] = {}
    with contextlib.ExitStack() as opened:
        for address in addresses:
            host, _, port = address.rpartition(":")
            with contextlib.suppress(OSError, ValueError):
                connection = opened.enter_context(socket.create_connection((host, int(port)), REQUEST_MS / 1000))
                connection.sendall(_API_VERSIONS)
                asked[connection] = address
        return [asked[one] for one in select.select(list(asked), [], [], REQUEST_MS / 1000)[0] if _speaks(one)]


def _speaks(connection: socket.socket) -> bool:
    with contextlib.suppress(OSError):
        return bool(connection.recv(1))
    return False
