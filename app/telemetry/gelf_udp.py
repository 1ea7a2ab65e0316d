"""GELF over UDP: many records with one system call where the kernel can, one each where it cannot.

A batch is one buffer of records padded with spaces to one length, which the kernel cuts into datagrams
(UDP_SEGMENT, Linux 4.18, udp(7)): a third of the time of one call each. JSON allows the spaces.
"""

import errno
import socket
import struct
import sys
import time

from app.telemetry.gelf_address import Address, GelfAddress

_SOL_UDP = 17
_UDP_SEGMENT = 103
# The kernel cuts a buffer into 64 datagrams at most; the buffer is one of UDP's largest, less the headers.
_MOST_SEGMENTS = 64
_MOST_BYTES = 65_000
# What fits into one frame of any usual network.
_LARGEST_SEGMENT = 1400
# Said by a kernel, a device or a network that does not cut; then each record goes alone.
_CANNOT_CUT = frozenset((errno.EINVAL, errno.EIO, errno.EMSGSIZE, errno.ENOPROTOOPT, errno.EOPNOTSUPP))
# After a failure a new socket is made; not more often than that (seconds).
_RECONNECT_SECONDS = 1.0


class GelfUdp:
    """A connected socket that never blocks. One thread writes at a time; another one may connect it.

    A datagram that the network loses is not heard of; one that this host refuses, or a closed port of it, is.
    """

    def __init__(self, address: GelfAddress, *, segments: bool = True) -> None:
        """`segments`: False sends one datagram a call. Opens nothing yet: see `connect`."""
        self._address = address
        self._wanted = segments
        self._segments = False
        self._socket: socket.socket | None = None
        self._next: socket.socket | None = None
        self._connected: Address | None = None
        self._connect_at = 0.0

    def connect(self) -> None:
        """Open the socket if there is none for the present address, at most once a second; never waits."""
        address, now = self._address.current, time.monotonic()
        if address is None or now < self._connect_at or self._next is not None:
            return
        if self._socket is not None and address == self._connected:
            return
        self._connect_at = now + _RECONNECT_SECONDS
        try:
            opened = _connected(address)
        except OSError:  # there is no way to the address
            self._address.doubt()
            return
        self._segments = self._wanted and _can_cut(opened)
        self._connected = address
        # One that is in use is replaced by who uses it.
        if self._socket is None:
            self._socket = opened
        else:
            self._next = opened

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
        for opened in (self._socket, self._next):
            if opened is not None:
                opened.close()
        self._socket = self._next = None

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
        if self._next is not None:
            self._replace()
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

    def _replace(self) -> None:
        old, self._socket, self._next = self._socket, self._next, None
        if old is not None:
            old.close()

    def _reconnect(self) -> None:
        self._address.doubt()
        if time.monotonic() >= self._connect_at:
            self.close()


class _CannotCut(Exception):
    """The kernel does not cut buffers into datagrams, on the way to this address at least."""


def _connected(address: Address) -> socket.socket:
    opened = socket.socket(address.family, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        opened.connect(address.place)
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
