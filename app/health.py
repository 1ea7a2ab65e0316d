"""`python -m app health`: whether the service in this container is ready. Run every few seconds: nothing heavy here."""

import socket
import sys

PLACES = ("8000/readyz", "9100/readyz", "9099/healthz")
"""Where services answer in containers: an api, any other of ours, the receiver of alerts. Of these the first that
listens is asked: an api has a port for metrics as well, and says nothing of readiness there."""
HELP = f"""usage: python -m app health [PORT/PATH ...]

Ask the first of these that listens; exit 0 when it answers 200, else 1 (default: {" ".join(PLACES)}).

example:
  python -m app health 18001/readyz
"""
SECONDS = 2.0
MOST_BYTES = 64 << 10


def main(arguments: list[str]) -> int:
    """Return 0 when the service is ready, 1 with one line when it is not, 2 for a wrong place."""
    if arguments in (["--help"], ["-h"]):
        print(HELP, end="")
        return 0
    places = [place.partition("/")[::2] for place in arguments or PLACES]
    if not all(port.isascii() and port.isdigit() and int(port) < 65536 for port, _ in places):
        print(f"app: health takes PORT/PATH, such as {PLACES[0]}, it got {' '.join(arguments)!r}", file=sys.stderr)
        return 2
    why = unready([(int(port), f"/{path}") for port, path in places])
    if why:
        print(f"app: not ready: {why}", file=sys.stderr)
    return 1 if why else 0


def unready(places: list[tuple[int, str]]) -> str:
    """Return why the first that listens is not ready, empty when it is."""
    for port, path in places:
        try:
            status = ask(port, path)
        except ConnectionRefusedError:
            continue
        except (OSError, ValueError) as error:
            return f"port {port} does not answer {path} ({error})"
        return "" if status == b"200" else f"port {port} answers {path} with {status.decode(errors='replace')}"
    return f"nothing listens on {', '.join(str(port) for port, _ in places)}"


def ask(port: int, path: str) -> bytes:
    """Return the status of a GET on this host. Raises OSError, and ValueError for what is no answer of HTTP."""
    with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        head = b""
        # To the end, or the service would hear of a client that broke off.
        while (more := connection.recv(MOST_BYTES)) and len(head) < MOST_BYTES:
            head += more
    protocol, _, rest = head.partition(b" ")
    if not protocol.startswith(b"HTTP/"):
        raise ValueError(f"no HTTP: {head[:64]!r}")
    return rest[:3]
