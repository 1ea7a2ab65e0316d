"""The API keys of a stack: what the service reads holds only their digests; those of `lab` itself are kept in full.

In the folder `secrets`, readable by its owner alone:
- api-keys.json: {client: SHA-256 of the key, hex}; the service notices a change within a second or so;
- api-key: the key of the client "student", for the shell, the page and the notebooks;
- load-keys: the keys of the load generator's clients, one a line;
- containers/keys/api-keys.json, once `lab init` has made that folder: a copy for services in containers, which run as
  another user.
"""

import fcntl
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labkit.errors import CannotRun

DIGESTS = "api-keys.json"
SHARED = "keys"
OWN = {"api-key": ("student",), "load-keys": tuple(f"load-{number}" for number in range(1, 9))}
NAME = re.compile(r"[a-z0-9-]{1,32}")


class KeyRing:
    """The keys in one folder; every change is a file replaced in one step, one change at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Return the clients that have a key, in alphabetical order."""
        return sorted(self._digests())

    def add(self, name: str) -> str:
        """Give a client a new key and return it: nobody can ask for it again. Raises CannotRun when it has one."""
        if not NAME.fullmatch(name):
            raise CannotRun(
                f"{name!r} cannot be a client's name: 1 to 32 of a-z, 0-9 and -; next: lab keys add my-notebook"
            )
        with self._alone():
            digests = self._digests()
            if name in digests:
                raise CannotRun(f"{name} has a key already; next: lab keys remove {name}, or another name")
            key = _new_key()
            self._write_digests({**digests, name: _digest(key)})
        return key

    def remove(self, name: str) -> None:
        """Take a client's key away, also where `lab` keeps it in full. Raises CannotRun when it has none."""
        with self._alone():
            digests = self._digests()
            if name not in digests:
                raise CannotRun(f"no client {name!r} has a key; there are: {', '.join(sorted(digests)) or 'none'}")
            gone = digests.pop(name)
            self._write_digests(digests)
            for file in OWN:
                keys = self._kept(file)
                if left := [key for key in keys if _digest(key) != gone]:
                    self._write(file, "\n".join(left) + "\n")
                elif keys:
                    (self._folder / file).unlink()

    def make_own(self) -> None:
        """Make the keys that `lab` itself uses, unless they are there.

        A key in a file of `lab` which no client has becomes the client's: somebody put it there.
        """
        with self._alone():
            digests = self._digests()
            before = dict(digests)
            for file, clients in OWN.items():
                kept = {_digest(key): key for key in self._kept(file)}
                spare = [digest for digest in kept if digest not in before.values()]
                for client in clients:
                    if digests.get(client) not in kept:
                        digest = spare.pop(0) if spare else None
                        key = kept[digest] if digest else _new_key()
                        digests[client] = _digest(key)
                        kept[_digest(key)] = key
                wanted = "".join(f"{kept[digests[client]]}\n" for client in clients)
                if wanted != self._text(file):
                    self._write(file, wanted)
                (self._folder / file).chmod(0o600)
            if digests != before:
                self._write_digests(digests)

    def share(self) -> None:
        """Bring the copy for containers up to date, where their folder is."""
        with self._alone():
            self._share()

    def _share(self) -> None:
        folder = self._folder / "containers" / SHARED
        if folder.is_dir():
            part = folder / f"{DIGESTS}.part"
            part.write_text(self._text(DIGESTS) or "{}\n", encoding="utf-8")
            part.chmod(0o644)
            part.replace(folder / DIGESTS)

    def _digests(self) -> dict[str, str]:
        text = self._text(DIGESTS)
        try:
            found = json.loads(text) if text else {}
        except ValueError:
            found = None
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            raise CannotRun(f"{self._folder / DIGESTS} is no list of keys; next: remove it, then lab up makes new keys")
        return found

    def _kept(self, file: str) -> list[str]:
        return self._text(file).split()

    def _text(self, file: str) -> str:
        try:
            return (self._folder / file).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def _write_digests(self, digests: dict[str, str]) -> None:
        self._write(DIGESTS, json.dumps(digests, indent=1, sort_keys=True) + "\n")
        self._share()

    def _write(self, file: str, text: str) -> None:
        """Replace a file in one step; it can be read by its owner alone from the first moment on."""
        part = self._folder / f"{file}.part"
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as output:
            output.write(text)
        part.replace(self._folder / file)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _new_key() -> str:
    return secrets.token_urlsafe(32)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
