"""GELF over UDP: many records with one system call where the kernel can, one each where it cannot.

A batch is one buffer of records padded with spaces to one length, which the kernel cuts into datagrams
(UDP_SEGMENT, Linux 4.18, udp(7)): a third of the time of one call each. JSON allows the spaces.
"""

import errno
import socket
import struct
import sys
import time

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
    """A connected socket that never blocks. One thread writes at a time; another one may connect it.

    A datagram that the network loses is not heard of; one that this host refuses, or a closed port of it, is.
    """

    def __init__(self, host: str, port: int, *, segments: bool = True) -> None:
        """`segments`: False sends one datagram a call. Opens nothing yet: see `connect`."""
        self._address = (host, port)
        self._wanted = segments
        self._segments = False
        self._socket: socket.socket | None = None
        self._connect_at = 0.0

    def connect(self) -> None:
        """Open the socket if it is not, at most once a second. Looks the name up, which may take its time."""
        if self._socket is not None or time.monotonic() < self._connect_at:
            return
        self._connect_at = time.monotonic() + _RECONNECT_SECONDS
        try:
            opened = _connected(*self._address)
        except OSError:  # the name is not known, or there is no way to the address
            return
        self._segments = self._wanted and _can_cut(opened)
        self._socket = opened

    def write(self, records: list[bytes]) -> int:
        """Hand over records (at least one); return how many were, the others will never be."""
        longest = max(map(len, records))
        if longest > _LARGEST_SEGMENT:
            large = [record for record in records if len(record) > _LARGEST_SEGMENT]
            small = [record for record in records if len(record) <= _LARGEST_SEGMENT]
            return sum(map(self.send, large)) + (self.write(small) if small else 0)
        most = min(_MOST_SEGMENTS, _MOST_BYTES // longest)
        return sum(
            self._send_together(records[start : start + most], longest) for start in range(0, len(records), most)
        )

    def send(self, datagram: bytes) -> bool:
        """Send one datagram; say whether it was taken."""
        return self._hand_over(datagram, 0)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send_together(self, records: list[bytes], longest: int) -> int:
        """Send records none of which is longer than `longest`; return how many were taken."""
        if self._segments and len(records) > 1:
            padded = b"".join([record.ljust(longest) for record in records])
            try:
                return len(records) * self._hand_over(padded, longest)
            except _CannotCut:
                self._segments = self._wanted = False
        return sum(map(self.send, records))

    def _hand_over(self, data: bytes, segment: int) -> bool:
        """Send `data`, cut into datagrams of `segment` bytes unless that is 0. Raises _CannotCut."""
        connected = self._socket
        if connected is None:
            return False
        ancillary = [(_SOL_UDP, _UDP_SEGMENT, struct.pack("H", segment))] if segment else []
        try:
            try:
                connected.sendmsg([data], ancillary)
            except ConnectionRefusedError:  # of an earlier datagram: this one has not been sent yet
                connected.sendmsg([data], ancillary)
            # A closed port of this host refuses at once: what was sent has been lost, and we know.
            refused = connected.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
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
