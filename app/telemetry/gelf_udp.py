"""GELF over UDP: many records with one system call where the kernel can, one each where it cannot.

A batch is one buffer of records padded with spaces to one length, which the kernel cuts into datagrams
(UDP_SEGMENT, Linux 4.18, udp(7)): a third of the time of one call each. JSON allows the spaces.
"""

import errno
import socket
import struct
import sys
import time

from app.telemetry.log_sinks import Pace

_SOL_UDP = 17
_UDP_SEGMENT = 103
# The kernel cuts a buffer into 64 datagrams at most; the buffer is one of UDP's largest, less the headers.
_MOST_SEGMENTS = 64
_MOST_BYTES = 65_000
# What fits into one frame of any usual network.
_LARGEST_SEGMENT = 1400
# Said by a kernel, a device or a network that does not cut; then each record goes alone.
_CANNOT_CUT = frozenset((errno.EINVAL, errno.EIO, errno.EMSGSIZE, errno.ENOPROTOOPT, errno.EOPNOTSUPP))
# After a failure the name is looked up again, and a new socket is made; not more often than that (seconds).
_RECONNECT_SECONDS = 1.0


class GelfUdp:
    """An Outlet: a connected socket that never blocks. One thread.

    A datagram that the network loses is not heard of; one that this host refuses, or a closed port of it, is.
    """

    # A usual receive buffer (208 KiB) holds about 200 records: what comes in bursts of more is lost needlessly.
    pace = Pace(most=192, usual=128, shortest=0.003)

    def __init__(self, host: str, port: int, *, segments: bool = True) -> None:
        """`segments`: False sends one datagram a call. Opens nothing yet: the name may become known later."""
        self._address = (host, port)
        self._wanted = segments
        self._segments = False
        self._socket: socket.socket | None = None
        self._connect_at = 0.0

    def write(self, records: list[bytes]) -> int:
        small = [record for record in records if len(record) <= _LARGEST_SEGMENT]
        written = sum(map(self.send, [record for record in records if len(record) > _LARGEST_SEGMENT]))
        while small:
            longest = max(map(len, small[:_MOST_SEGMENTS]))
            count = min(_MOST_SEGMENTS, _MOST_BYTES // longest)
            written += self._send_together(small[:count], longest)
            del small[:count]
        return written

    def send(self, datagram: bytes) -> bool:
        """Send one datagram; say whether it was taken."""
        return self._hand_over(datagram, 0)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send_together(self, records: list[bytes], longest: int) -> int:
        """Send records none of which is longer than `longest`; return how many were taken."""
        self._connect()
        if self._segments and len(records) > 1:
            padded = b"".join([record.ljust(longest) for record in records])
            try:
                return len(records) * self._hand_over(padded, longest)
            except _CannotCut:
                self._segments = self._wanted = False
        return sum(map(self.send, records))

    def _hand_over(self, data: bytes, segment: int) -> bool:
        """Send `data`, cut into datagrams of `segment` bytes unless that is 0. Raises _CannotCut."""
        self._connect()
        if self._socket is None:
            return False
        ancillary = [(_SOL_UDP, _UDP_SEGMENT, struct.pack("H", segment))] if segment else []
        try:
            try:
                self._socket.sendmsg([data], ancillary)
            except ConnectionRefusedError:  # of an earlier datagram: this one has not been sent yet
                self._socket.sendmsg([data], ancillary)
            # A closed port of this host refuses at once: what was sent has been lost, and we know.
            refused = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        except BlockingIOError:
            return False
        except OSError as error:
            if segment and error.errno in _CANNOT_CUT:
                raise _CannotCut from None
            refused = error.errno or errno.EIO
        if refused:
            self._reconnect()
        return not refused

    def _reconnect(self) -> None:
        if time.monotonic() >= self._connect_at:
            self.close()

    def _connect(self) -> None:
        if self._socket is not None or time.monotonic() < self._connect_at:
            return
        self._connect_at = time.monotonic() + _RECONNECT_SECONDS
        try:
            self._socket = _connected(*self._address)
        except OSError:  # the name is not known, or there is no way to the address
            return
        self._segments = self._wanted and _can_cut(self._socket)


class _CannotCut(Exception):
    """The kernel does not cut buffers into datagrams, on the way to this address at least."""


def _connected(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setblocking(False)
        opened.connect(address)
    except OSError:
        opened.close()
        raise
    return opened


def _can_cut(opened: socket.socket) -> bool:
    """Say whether the kernel knows of cutting; an old one would send the whole buffer as one datagram."""
    try:
        opened.getsockopt(_SOL_UDP, _UDP_SEGMENT)
    except OSError:
        return False
    return sys.platform == "linux"
