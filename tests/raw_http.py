"""HTTP as bytes on a socket, for requests that no client library would send."""

import contextlib
import socket
from collections.abc import Iterator
from typing import NamedTuple


class RawAnswer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the value of a header that is there once; None when it is not there."""
        values = [value for key, value in self.headers if key == name]
        assert len(values) <= 1, f"{name} is there {len(values)} times"
        return values[0] if values else None


class Wire:
    """One connection: bytes out, answers in."""

    def __init__(self, port: int, timeout: float = 15.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._left = b""

    def send(self, data: bytes) -> bool:
        """Send all of it; say False when the peer closed meanwhile."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def answer(self, *, head: bool = False) -> RawAnswer | None:
        """Return the next answer (`head`: to a HEAD request, without a body); None when the connection ended."""
        text = self._until(b"\r\n\r\n")
        if text is None:
            return None
        first, *lines = text.decode("latin-1").split("\r\n")[:-2]
        headers = [(name.lower(), value) for name, value in (line.split(": ", 1) for line in lines)]
        status = int(first.split(" ", 2)[1])
        length = next((int(value) for name, value in headers if name == "content-length"), 0)
        return RawAnswer(status, headers, b"" if head else self._exactly(length))

    def closed(self) -> bool:
        """Wait until the peer ends the connection; say False when it sends something instead."""
        return not self._more()

    def _until(self, mark: bytes) -> bytes | None:
        while mark not in self._left:
            if not self._more():
                return None
        end = self._left.index(mark) + len(mark)
        found, self._left = self._left[:end], self._left[end:]
        return found

    def _exactly(self, count: int) -> bytes:
        while len(self._left) < count:
            assert self._more(), f"the connection ended {count - len(self._left)} bytes too early"
        found, self._left = self._left[:count], self._left[count:]
        return found

    def _more(self) -> bool:
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            return False
        self._left += data
        return bool(data)

    def close(self) -> None:
        self.socket.close()


@contextlib.contextmanager
def wire(port: int, timeout: float = 15.0) -> Iterator[Wire]:
    """Open a connection and close it at the end."""
    with contextlib.closing(Wire(port, timeout)) as opened:
        yield opened


def post(path: str, body: bytes, *lines: str, version: str = "1.1") -> bytes:
    """Return a POST request with an honest content-length and further header lines."""
    head = [f"POST {path} HTTP/{version}", "Host: lab", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def chunked(path: str, *chunks: bytes) -> bytes:
    """Return a POST request whose body comes in chunks."""
    head = f"POST {path} HTTP/1.1\r\nHost: lab\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
