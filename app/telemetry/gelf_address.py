"""Where a GELF input is: its name is looked up in a thread of its own, again and again, so that nothing ever waits.

A container gets its name when it starts, and perhaps another address each time; and a name that nobody knows may take
ten seconds to be told so.
"""

import socket
import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple

# Seconds between two look-ups: of a name that is not known or does not answer, and of one that is well.
_ANEW: Final = 1.0
_AGAIN: Final = 5.0

Resolve = Callable[..., list[Any]]
"""socket.getaddrinfo, or one that a test brings."""


class Address(NamedTuple):
    """What a socket is made and connected with."""

    family: int
    place: tuple[Any, ...]


class GelfAddress:
    """The address at this time. Any thread; a look-up that hangs keeps no process alive."""

    def __init__(
        self, host: str, port: int, *, resolve: Resolve = socket.getaddrinfo, anew: float = _ANEW, again: float = _AGAIN
    ) -> None:
        """`anew`, `again`: seconds until the next look-up while the name is not known, and while it is."""
        self._asked = (host, port)
        self._resolve = resolve
        self._anew, self._again = anew, again
        self._closing = threading.Event()
        self._doubted = threading.Event()
        self.current: Address | None = None
        """None as long as the name is not known."""
        try:
            self.current = self._found(socket.AI_NUMERICHOST)
        except OSError:  # a name
            threading.Thread(target=self._follow, name="gelf-address", daemon=True).start()

    def doubt(self) -> None:
        """Look the name up soon: nobody answers there."""
        if not self._doubted.is_set():  # asked for each record that is lost
            self._doubted.set()

    def close(self) -> None:
        self._closing.set()
        self._doubted.set()

    def _follow(self) -> None:
        while not self._closing.is_set():
            try:
                self.current = self._found()
            except (OSError, UnicodeError):  # not known at this time, or no name at all
                pause = self._anew
            else:
                pause = self._again
            self._closing.wait(self._anew)
            self._doubted.wait(max(0.0, pause - self._anew))
            self._doubted.clear()

    def _found(self, flags: int = 0) -> Address:
        """Look the name up; the present address stays as long as it is one of the answers. Raises OSError."""
        answers = self._resolve(*self._asked, type=socket.SOCK_DGRAM, flags=flags)
        found = [Address(family, place) for family, _, _, _, place in answers]
        return self.current if self.current in found and self.current is not None else found[0]
