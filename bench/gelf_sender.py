"""The senders of the collector's group, a process of its own: `python -m bench.gelf_sender`, an order as JSON on stdin.

By UDP at a steady rate, nobody waiting for anything; by TCP as fast as the collector reads. The records are those of
an access log, each with its own request id. Prints one line of JSON, see `Sent`.
"""

import itertools
import socket
import sys
import time
from collections.abc import Iterator

import msgspec

HOST = "127.0.0.1"
RECORD_BYTES = 420
_DIFFERENT = 20_000
_TICK = 0.005
"""Seconds between two bursts by UDP, as services send them that hand over what waits."""
_FRAMES = 200


class Order(msgspec.Struct, frozen=True):
    """What to send; `rate` in records a second, 0 by TCP."""

    port: int
    seconds: float
    rate: int = 0


class Sent(msgspec.Struct):
    records: int
    seconds: float


def records() -> list[bytes]:
    """Return records of one length, each padded with spaces as the service pads its own."""
    made = []
    for number in range(_DIFFERENT):
        fields = {
            "version": "1.1",
            "host": f"api-{number % 4}",
            "short_message": "POST /predict 200",
            "timestamp": time.time(),
            "level": 6,
            "_event": "request",
            "_request_id": f"{number:016x}{number * 2654435761 % 2**64:016x}",
            "_method": "POST",
            "_route": "/predict",
            "_path": "/predict",
            "_status": 200,
            "_duration_us": 300 + number % 1000,
            "_model": "iris",
            "_model_version": "v1",
        }
        made.append(msgspec.json.encode(fields).ljust(RECORD_BYTES))
    return made


def by_udp(order: Order) -> Sent:
    """Send at an even rate: what is late is made up for, so that the whole is what was ordered."""
    endless = itertools.cycle(records())
    total, sent = round(order.rate * order.seconds), 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((HOST, order.port))
        began = time.perf_counter()
        while sent < total:
            due = min(total, round((time.perf_counter() - began) * order.rate) + 1)
            for record in itertools.islice(endless, due - sent):
                sock.send(record)
            sent = due
            time.sleep(_TICK)
        return Sent(sent, time.perf_counter() - began)


def by_tcp(order: Order) -> Sent:
    sent, frames = 0, _frames()
    with socket.create_connection((HOST, order.port)) as sock:
        began = time.perf_counter()
        while time.perf_counter() - began < order.seconds:
            sock.sendall(next(frames))
            sent += _FRAMES
        return Sent(sent, time.perf_counter() - began)


def _frames() -> Iterator[bytes]:
    """Yield some hundred messages at a time, each ended by a NUL."""
    endless = itertools.cycle(records())
    while True:
        yield b"\0".join([*itertools.islice(endless, _FRAMES), b""])


def main() -> None:
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    print(msgspec.json.encode(by_udp(order) if order.rate else by_tcp(order)).decode())


if __name__ == "__main__":
    main()
