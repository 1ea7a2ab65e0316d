"""A GELF input for tests: a UDP socket, and the kernel's own count of what it had no room for."""

import contextlib
import json
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from app.core.gelf import CHUNK, Assembly, unpacked
from app.telemetry.gelf_address import GelfAddress


class GelfReceiver:
    """Listens on a free port of 127.0.0.1. It reads only when it is asked to: left alone it is a hung receiver."""

    def __init__(self, *, buffer: int = 4 << 20, port: int = 0) -> None:
        """`buffer`: bytes that the kernel keeps for it, as far as it allows."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        option = getattr(socket, "SO_RCVBUFFORCE", 33)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, option, buffer)
        except PermissionError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self._socket.bind(("127.0.0.1", port))
        self.host, self.port = self._socket.getsockname()
        self._assembly = Assembly()
        self.messages: list[bytes] = []
        """Every whole message that was read, without the padding."""

    @property
    def address(self) -> GelfAddress:
        return GelfAddress(self.host, self.port)

    @property
    def url(self) -> str:
        return f"udp://{self.host}:{self.port}"

    def read(self) -> int:
        """Read all that has arrived; return how many messages were read since the beginning."""
        with contextlib.suppress(BlockingIOError):
            while True:
                data: Any = self._socket.recv(65536)
                if data.startswith(CHUNK):
                    data = self._assembly.add(data, 0.0)
                if data is not None:
                    self.messages.append(bytes(unpacked(data)).rstrip(b" "))
        return len(self.messages)

    def records(self) -> list[dict[str, Any]]:
        """Return all messages read so far, each of which must be GELF 1.1."""
        records: list[dict[str, Any]] = [json.loads(message) for message in self.messages]
        for record in records:
            assert record["version"] == "1.1"
            assert record["host"]
            assert record["short_message"]
            assert isinstance(record["timestamp"], float)
            own = record.keys() - {"version", "host", "short_message", "full_message", "timestamp", "level"}
            assert all(name.startswith("_") and name != "_id" for name in own), record
        return records

    def kernel_drops(self) -> int:
        """Return how many datagrams the kernel had no room for (/proc/net/udp, last column)."""
        for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
            columns = line.split()
            if int(columns[1].partition(":")[2], 16) == self.port:
                return int(columns[-1])
        raise AssertionError(f"/proc/net/udp has no socket at port {self.port}")

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
