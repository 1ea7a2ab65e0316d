"""Readiness probes: ask a server the question that its users will ask.

An address says how: http:// must answer GET with 200 (and, with a #text at its end, with that text in the body),
redis:// must answer PING, kafka:// must list itself among the brokers that are alive, tcp:// must accept.
Plain sockets, because the supervisor polls and must stay small; everything is on this machine.
"""

import socket
import struct
from urllib.parse import urlsplit

TIMEOUT = 0.5


def unready(address: str, timeout: float = TIMEOUT) -> str | None:
    """Return None when the server at the address is ready, else what it answered instead (one line)."""
    parts = urlsplit(address)
    try:
        with socket.create_connection((parts.hostname, parts.port or 80), timeout=timeout) as connection:
            connection.settimeout(timeout)
            match parts.scheme:
                case "http":
                    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                    return _http(connection, target, parts.netloc, parts.fragment)
                case "redis":
                    return _redis(connection)
                case "kafka":
                    return _kafka(connection, parts.port or 0)
                case "tcp":
                    return None
                case other:
                    raise ValueError(f"no probe for {other}:// addresses")
    except OSError as error:
        return f"{address}: {error.strerror or error}"


def _http(connection: socket.socket, target: str, host: str, wanted: str) -> str | None:
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("ascii"))
    data = b""
    while chunk := connection.recv(65536):
        data += chunk
    status, _, rest = data.decode("latin-1").partition("\r\n")
    if status.split(" ")[1:2] != ["200"]:
        return f"http://{host}{target}: {status or 'closed without an answer'}"
    if wanted not in rest:
        return f"http://{host}{target}: no {wanted} in {rest.splitlines()[-1:]}"
    return None


def _redis(connection: socket.socket) -> str | None:
    connection.sendall(b"PING\r\n")
    answer = connection.recv(64).decode("latin-1").strip()
    return None if answer == "+PONG" else f"redis: {answer or 'closed without an answer'}"


def _kafka(connection: socket.socket, port: int) -> str | None:
    """Ask for the metadata of no topic (key 3, version 1): which brokers are alive, as this one sees it.

    A broker accepts connections before the controllers let it serve; until then it is not in its own answer.
    https://kafka.apache.org/protocol: a request is size, key, version, correlation id, client name, body.
    """
    body = struct.pack(">hhih3si", 3, 1, 7, 3, b"lab", 0)
    connection.sendall(struct.pack(">i", len(body)) + body)
    (size,) = struct.unpack(">i", _exactly(connection, 4))
    if not 12 <= size <= 65536:
        return f"kafka: an answer of {size} bytes, which is no list of brokers"
    answer = _exactly(connection, size)
    ports, position = [], 8
    try:
        for _ in range(struct.unpack_from(">i", answer, 4)[0]):
            (length,) = struct.unpack_from(">h", answer, position + 4)  # id, then the host's name
            position += 6 + length
            alive, rack = struct.unpack_from(">ih", answer, position)
            ports.append(alive)
            position += 6 + max(0, rack)
    except struct.error:
        return "kafka: an answer that is no list of brokers"
    return None if port in ports else f"kafka: the broker of port {port} is not among those alive ({ports or 'none'})"


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise ConnectionError("closed without an answer")
        data += chunk
    return data
