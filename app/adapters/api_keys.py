"""The API keys in a file of names and digests, which may change while the service runs."""

import hmac
import logging
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec

_log = logging.getLogger(__name__)
# The file is looked at this often at most.
_LOOK_SECONDS = 1.0
# A client's name is a key in Kafka and in the store, and part of the ids of its jobs.
_CLIENT = re.compile(r"[A-Za-z0-9._-]{1,64}").fullmatch
_DIGEST = re.compile(r"[0-9a-f]{64}").fullmatch
_decode = msgspec.json.Decoder(dict[str, str]).decode


class WrongKeysFile(Exception):
    """The file does not hold `{"client": "sha256 of the key, hexadecimal"}`; the text says what is wrong."""


class FileKeyRing:
    """A KeyRing. The file holds digests only; without a file there are no keys.

    A file that cannot be read is logged, and the keys that were good before stay.
    """

    def __init__(
        self,
        path: Path | None,
        clock: Callable[[], float],
        equal: Callable[[bytes, bytes], bool] = hmac.compare_digest,
    ) -> None:
        self._path = path
        self._clock = clock
        self._equal = equal
        self._digests: list[tuple[str, bytes]] = []
        self._seen: tuple[int, ...] = ()
        self._complaint = ""
        self._look_again_at = clock()

    def client(self, key: bytes) -> str | None:
        """Return the name of the key's owner, None for a key that nobody has; each takes the same time."""
        self._look()
        digest = sha256(key).hexdigest().encode()
        owner = None
        for client, known in self._digests:
            if self._equal(known, digest):
                owner = client
        return owner

    def _look(self) -> None:
        """Read the file again when it has changed since the last look."""
        now = self._clock()
        if self._path is None or now < self._look_again_at:
            return
        self._look_again_at = now + _LOOK_SECONDS
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen != self._seen:
                self._digests = _read(self._path)
                self._seen, self._complaint = seen, ""
        except FileNotFoundError:
            self._digests, self._seen = [], ()
        except (OSError, WrongKeysFile) as error:
            if str(error) != self._complaint:
                _log.error("API keys: %s; the keys read before stay", error)
            self._complaint = str(error)


def _read(path: Path) -> list[tuple[str, bytes]]:
    try:
        entries = _decode(path.read_bytes())
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WrongKeysFile(f"{path}: {error}") from None
    for client, digest in entries.items():
        if not _CLIENT(client):
            raise WrongKeysFile(f"{path}: client {client[:80]!r}; a name is 1 to 64 of A-Z a-z 0-9 . _ -")
        if not _DIGEST(digest):
            raise WrongKeysFile(f"{path}: the entry of {client!r} is not the SHA-256 of a key in 64 hexadecimal digits")
    return [(client, digest.encode()) for client, digest in entries.items()]
