"""What a training run hands over, and the folder that it becomes."""

import hashlib
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

from app.adapters.model_files import CARD, MANIFEST, Card, describe, encode_manifest
from app.core.model import ModelInfo

LARGEST_ARTEFACT: Final = 1_000_000
"""Bytes; artefacts are committed, so they stay small."""


class Trained(msgspec.Struct, frozen=True):
    """One version of a model: its card and the bytes that the card's artefact file gets."""

    card: Card
    artefact: bytes

    @property
    def folder(self) -> str:
        return f"{self.card.name}/{self.card.version}"

    @property
    def info(self) -> ModelInfo:
        return describe(self.card, hashlib.sha256(self.artefact).hexdigest())


def libraries(*names: str) -> dict[str, str]:
    """Versions of Python and of the packages that the fit depends on."""
    return {"python": platform.python_version()} | {name: version(name) for name in names}


def write(trained: Sequence[Trained], models_dir: Path) -> None:
    """Write artefacts and cards, then the manifest of all files in the folder."""
    for model in trained:
        if len(model.artefact) >= LARGEST_ARTEFACT:
            raise ValueError(
                f"{model.folder}: {len(model.artefact)} bytes, the limit is {LARGEST_ARTEFACT}; make the model smaller"
            )
        folder = models_dir / model.folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / model.card.artefact).write_bytes(model.artefact)
        (folder / CARD).write_bytes(indented(model.card))
    paths = sorted(path for path in models_dir.rglob("*") if path.is_file() and path.name != MANIFEST)
    digests = {path.relative_to(models_dir).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    (models_dir / MANIFEST).write_bytes(encode_manifest(digests))


def indented(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
