"""The folder of versions that were trained while the service runs: it grows by whole versions."""

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from app.adapters.model_files import MANIFEST, encode_manifest, read_manifest

_NEW: Final = ".new"


@contextlib.contextmanager
def locked(trained_dir: Path) -> Iterator[None]:
    """Make the folder, and be the only one who adds to it; the lock ends with the process, however that ends."""
    trained_dir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(trained_dir, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def add_version(trained_dir: Path, name: str, version: str, files: Mapping[str, bytes]) -> None:
    """Write a version under `locked`: all of its files, and then, in one step, the manifest that lists them.

    Who reads between the two steps does not find the version yet, and all others as they were.
    """
    manifest = trained_dir / MANIFEST
    digests = read_manifest(trained_dir) if manifest.is_file() else {}
    folder, unfinished = trained_dir / name / version, trained_dir / name / _NEW
    for leftover in (folder, unfinished):  # of a run that was killed: the manifest does not list it
        if leftover.exists():
            shutil.rmtree(leftover)
    unfinished.mkdir(parents=True)
    for file, content in files.items():
        (unfinished / file).write_bytes(content)
        digests[f"{name}/{version}/{file}"] = hashlib.sha256(content).hexdigest()
    unfinished.rename(folder)
    new_manifest = trained_dir / f"{MANIFEST}{_NEW}"
    new_manifest.write_bytes(encode_manifest(digests))
    new_manifest.replace(manifest)
