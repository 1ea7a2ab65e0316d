"""The receiving thread: UDP first, since nobody makes its senders wait; TCP and the edge's log file beside it."""

import selectors
import socket
import threading
import time
from typing import Final

from app.collector.follower import Follower
from app.collector.intake import Intake
from app.collector.sockets import kernel_drops
from app.collector.streams import Streams
from app.telemetry.metrics import Counter

_MOST_IN_TURN: Final = 512
"""Datagrams that are taken before the others have their turn."""
_GATHER: Final = 0.002
"""Seconds between two looks: waking up for each datagram would cost more than taking it."""
_TICK: Final = 0.1


class Receiver:
    """Receives until `stop`. `run` is the only thread that touches intake, sockets and file."""

    def __init__(
        self, udp: socket.socket, listener: socket.socket, follower: Follower | None, intake: Intake, drops: Counter
    ) -> None:
        self._udp = udp
        self._follower = follower
        self._intake = intake
        self._drops = drops
        self._selector = selectors.DefaultSelector()
        self._selector.register(udp, selectors.EVENT_READ, self._datagrams)
        self._streams = Streams(listener, intake, self._selector)
        self._buffer = memoryview(bytearray(1 << 16))
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Any thread, and a signal handler, may call this."""
        self._stopping.set()

    def run(self) -> None:
        """Receive; at the end also what has arrived by then."""
        due = 0.0
        while not self._stopping.is_set():
            more = False
            for key, _ in self._selector.select(_TICK):
                more |= key.data() is True
            self._streams.pace()
            if (now := time.monotonic()) >= due:
                due = now + _TICK
                self._tick()
            if not more:
                time.sleep(_GATHER)
        self._finish()

    def _finish(self) -> None:
        while self._datagrams():
            pass
        self._streams.close()
        self._tick()
        if self._follower is not None:
            self._follower.close()
        self._udp.close()
        self._selector.close()

    def _datagrams(self) -> bool:
        """Take what has arrived, at most some hundreds; say whether there may be more."""
        receive, buffer, take = self._udp.recv_into, self._buffer, self._intake.datagram
        try:
            for _ in range(_MOST_IN_TURN):
                take(buffer[: receive(buffer)])
        except OSError:  # nothing more for now
            return False
        return True

    def _tick(self) -> None:
        self._intake.tick()
        self._drops.value = kernel_drops(self._udp)
        while self._follower is not None and not self._intake.full and self._follower.poll():
            self._datagrams()
