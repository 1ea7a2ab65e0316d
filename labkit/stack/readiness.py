"""Readiness probes: ask a server the question that its users will ask.

An address says how: http:// must answer GET with 200 (and, with a #text at its end, with that text in the body),
redis:// must answer PING, tcp:// must accept.
Plain sockets, because the supervisor polls and must stay small; everything is on this machine.
"""

import socket
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
