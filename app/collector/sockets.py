"""The sockets that GELF comes in by."""

import contextlib
import socket
import struct
from typing import Final

from app.config import WrongSetting

# Where the sender does not wait, this is what carries the receiver over a pause: seconds of 20,000 records each, since
# the kernel counts 1.3 KB for a record of 420 bytes.
RECEIVE_BYTES: Final = 64 << 20
_SO_RCVBUFFORCE: Final = 33  # Linux: beyond net.core.rmem_max, for who may
_SO_MEMINFO: Final = 55  # Linux: the socket's counters; the ninth is what /proc/net/udp calls drops
_MEMINFO = struct.Struct("9I")


def udp_socket(host: str, port: int) -> socket.socket:
    """Return a socket with as large a buffer as the kernel grants. Raises WrongSetting."""
    sock = _bound(host, port, socket.SOCK_DGRAM)
    for option in (socket.SO_RCVBUF, _SO_RCVBUFFORCE):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, option, RECEIVE_BYTES)
    return sock


def tcp_listener(host: str, port: int) -> socket.socket:
    """Raises WrongSetting when the port cannot be listened on."""
    sock = _bound(host, port, socket.SOCK_STREAM)
    sock.listen()
    return sock


def kernel_drops(sock: socket.socket) -> int:
    """Return how many datagrams found no room in the socket's buffer since it was opened, 0 where none can tell."""
    try:
        return int(_MEMINFO.unpack(sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))[8])
    except (OSError, struct.error):
        return 0


def _bound(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, kind)
    try:
        if kind is socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        named = "UDP" if kind is socket.SOCK_DGRAM else "TCP"
        reason = error.strerror or str(error)
        raise WrongSetting(f"LAB_GELF_PORT={port}: {named} on {host} cannot be listened on ({reason})") from None
    sock.setblocking(False)
    return sock
