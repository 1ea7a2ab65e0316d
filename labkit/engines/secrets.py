"""The secrets of containers: one file each, made once and never again.

The folder above them, `.lab/secrets`, opens for its owner alone. The files themselves can be read by anybody: each is
mounted into the containers that need it, and those run as users that this machine does not know.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from labkit.home import Home
from labkit.keys.keyring import DIGESTS, SHARED, KeyRing

PASSWORDS = (
    "redis-password",
    "postgres-password",
    "elasticsearch-password",
    "grafana-password",
    "graylog-password-secret",
    "graylog-root-password",
    "mongodb-password",
    "portainer-password",
)
OWN_KEY = "api-key"
"""What a load generator in a container sends."""
K8S = "k8s/overlays/local"
"""Kustomize reads no file outside its own folder: what it makes Secrets of is copied there."""


@dataclass(frozen=True)
class Made:
    """What is in the folder now: which secrets are new, which were there."""

    folder: Path
    new: tuple[str, ...]
    kept: tuple[str, ...]


def folder_of(home: Home) -> Path:
    return home.secrets / "containers"


def make_secrets(home: Home) -> Made:
    """Make the secrets that are missing, and what follows from them: URLs and files with a password in them."""
    home.secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.secrets.chmod(0o700)
    folder = folder_of(home)
    for shared in (folder, folder / SHARED):
        shared.mkdir(exist_ok=True)
        shared.chmod(0o755)
    passwords, new = {}, []
    for name in PASSWORDS:
        file = folder / name
        if not file.is_file():
            write_changed(file, secrets.token_hex(24))
            new.append(name)
        passwords[name] = file.read_text(encoding="utf-8").strip()
        file.chmod(0o644)
    for name, text in following(passwords).items():
        write_changed(folder / name, text)
    ring = KeyRing(home.secrets)
    ring.make_own()
    ring.share()
    write_changed(folder / OWN_KEY, (home.secrets / OWN_KEY).read_text(encoding="utf-8"))
    if (home.root / K8S).is_dir():
        _copy(folder, home.root / K8S / "secrets")
    return Made(folder, tuple(new), tuple(name for name in PASSWORDS if name not in new))


def following(passwords: Mapping[str, str]) -> dict[str, str]:
    """Return the other files, by name: services have the same names on every engine."""
    redis, mongo = passwords["redis-password"], passwords["mongodb-password"]
    return {
        "redis.conf": f"requirepass {redis}\n",
        "redis-url": f"redis://:{redis}@redis:6379/0",
        "redis-jobs-url": f"redis://:{redis}@redis-jobs:6379/0",
        "database-url": f"postgresql+psycopg://lab:{passwords['postgres-password']}@postgres:5432/lab",
        "elasticsearch-url": f"http://elastic:{passwords['elasticsearch-password']}@elasticsearch:9200",
        "graylog-root-password-sha2": hashlib.sha256(passwords["graylog-root-password"].encode()).hexdigest(),
        "graylog-mongodb-uri": f"mongodb://graylog:{mongo}@mongodb:27017/graylog?authSource=admin",
    }


def write_changed(file: Path, text: str) -> None:
    """Write a file that any user of a container can read; one that says so already stays as it is."""
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        part = file.with_name(f"{file.name}.part")
        part.write_text(text, encoding="utf-8")
        part.chmod(0o644)
        part.replace(file)


def _copy(folder: Path, target: Path) -> None:
    target.mkdir(mode=0o700, exist_ok=True)
    target.chmod(0o700)
    for file in (*folder.iterdir(), folder / SHARED / DIGESTS):
        if file.is_file():
            write_changed(target / file.name, file.read_text(encoding="utf-8"))
