"""GELF by TCP: messages end with a NUL; whoever sends faster than the store writes has to wait."""

import contextlib
import selectors
import socket
from typing import Final

from app.collector.intake import Intake
from app.core.gelf import MOST_BYTES

MOST_CONNECTIONS: Final = 64
_READ: Final = 1 << 16


class Stream:
    """One sender."""

    def __init__(self, sock: socket.socket, intake: Intake) -> None:
        self.sock = sock
        self._intake = intake
        self._rest = b""

    def read(self) -> bool:
        """Take what is there, at most one buffer of it; False when there will be no more."""
        try:
            data = self.sock.recv(_READ)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            if self._rest.strip():
                self._intake.refuse("tcp", "incomplete")
            return False
        *frames, self._rest = (self._rest + data).split(b"\0")
        for frame in frames:
            if frame.strip():
                self._intake.frame(frame)
        if len(self._rest) > MOST_BYTES:
            self._intake.refuse("tcp", "too-large")
            return False
        return True


class Streams:
    """All senders by TCP, read in turn by the receiver's thread."""

    def __init__(self, listener: socket.socket, intake: Intake, selector: selectors.BaseSelector) -> None:
        self._listener = listener
        self._intake = intake
        self._selector = selector
        self._streams: set[Stream] = set()
        self._paused = False
        selector.register(listener, selectors.EVENT_READ, self.accept)

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            sock, _ = self._listener.accept()
            if len(self._streams) >= MOST_CONNECTIONS:
                sock.close()
                return
            sock.setblocking(False)
            stream = Stream(sock, self._intake)
            self._streams.add(stream)
            if not self._paused:
                self._register(stream)

    def pace(self) -> None:
        """Stop reading while the backlog is full: TCP makes the senders wait."""
        if self._paused is self._intake.full:
            return
        self._paused = not self._paused
        for stream in self._streams:
            if self._paused:
                self._selector.unregister(stream.sock)
            else:
                self._register(stream)

    def close(self) -> None:
        """Read what has arrived, as far as there is room, and end the connections."""
        for stream in self._streams:
            while not self._intake.full and _readable(stream.sock) and stream.read():
                pass
            stream.sock.close()
        self._streams.clear()
        self._listener.close()

    def _register(self, stream: Stream) -> None:
        self._selector.register(stream.sock, selectors.EVENT_READ, lambda: self._read(stream))

    def _read(self, stream: Stream) -> None:
        # Others had their turn since the last `pace`.
        if not self._intake.full and not stream.read():
            self._selector.unregister(stream.sock)
            stream.sock.close()
            self._streams.discard(stream)


def _readable(sock: socket.socket) -> bool:
    with contextlib.suppress(OSError):
        return bool(sock.recv(1, socket.MSG_PEEK))
    return False
