"""The models folder: every file checked against the sha256 manifest, then each model loaded from the bytes checked."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from app.adapters.forest import Recipe, load_forest
from app.adapters.onnx_kernel import OnnxClassifier
from app.core.errors import ArtefactChanged, UnknownModel
from app.core.kernels import LinearClassifier, LinearRegressor, LinearWeights
from app.core.model import Kernel, ModelInfo, TextKernel
from app.core.registry import version_number
from app.core.sentiment import SentimentKernel, SentimentWeights

MANIFEST: Final = "manifest.json"
CARD: Final = "card.json"


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about one version of a model: where it comes from, and how well it answers."""

    name: str
    version: str
    kind: str
    format: str
    """How the artefact is loaded: a key of `FORMATS`."""
    artefact: str
    """File name beside the card."""
    description: str
    input: str
    width: int
    labels: tuple[str, ...]
    heavy: bool
    trained_on: str
    split: str
    seed: int
    held_out: dict[str, float]
    """Metrics on data that the fit never saw."""
    held_out_rows: int
    parity: str
    """How far the served kernel is from the fitted estimator, and over which inputs."""
    libraries: dict[str, str]
    notes: tuple[str, ...] = ()


def _linear_classifier(info: ModelInfo, artefact: bytes, _: str) -> Kernel:
    return LinearClassifier(info, msgspec.json.decode(artefact, type=LinearWeights))


def _linear_regressor(info: ModelInfo, artefact: bytes, _: str) -> Kernel:
    return LinearRegressor(info, msgspec.json.decode(artefact, type=LinearWeights))


def _onnx_classifier(info: ModelInfo, artefact: bytes, _: str) -> Kernel:
    return OnnxClassifier(info, artefact)


def _forest(info: ModelInfo, artefact: bytes, path: str) -> Kernel:
    return load_forest(info, msgspec.json.decode(artefact, type=Recipe), path)


def _sentiment(info: ModelInfo, artefact: bytes, _: str) -> TextKernel:
    return SentimentKernel(info, msgspec.json.decode(artefact, type=SentimentWeights))


FORMATS: Final[Mapping[str, Callable[[ModelInfo, bytes, str], Any]]] = {
    "linear-classifier": _linear_classifier,
    "linear-regressor": _linear_regressor,
    "onnx-classifier": _onnx_classifier,
    "scikit-learn-forest": _forest,
    "sentiment": _sentiment,
}


def load(models_dir: Path) -> list[Kernel]:
    """All models and versions in the folder, by name, then version.

    Raises `ArtefactChanged` with the name of a file that is missing, that the manifest does not list, or
    whose bytes are not those of its digest, and `ForestChanged` when the forest cannot be fitted as it was.
    """
    files = read_checked(models_dir)
    cards = [(path, read_card(path, content)) for path, content in files.items() if path.endswith(f"/{CARD}")]
    return [_load_model(path, card, files) for path, card in sorted(cards, key=_by_name_and_version)]


def find_version(folders: Sequence[Path], name: str, version: str) -> Kernel:
    """One version out of the first folder that lists it. Raises UnknownModel, and what `load` raises."""
    known = {found: folder for folder in reversed(folders) for found in versions_in(folder, name)}
    if version not in known:
        there_are = ", ".join(sorted(known, key=version_number)) or "none"
        raise UnknownModel(f"no version {version!r} of {name!r}; there are: {there_are}")
    return load_version(known[version], name, version)


def load_version(models_dir: Path, name: str, version: str) -> Kernel:
    """One version of a folder that grows while it is read: what else lies there, finished or not, is not looked at.

    Raises UnknownModel when the manifest does not list it, and what `load` raises.
    """
    part = f"{name}/{version}/"
    files = read_checked(models_dir, part, again=f"lab retrain {name}")
    path = part + CARD
    if path not in files:
        raise UnknownModel(f"no version {version!r} of {name!r} in {models_dir}")
    return _load_model(path, read_card(path, files[path]), files)


def versions_in(models_dir: Path, name: str) -> list[str]:
    """The versions of a model that the folder's manifest lists, oldest first; none where there is no manifest."""
    if not (models_dir / MANIFEST).is_file():
        return []
    card = re.compile(rf"{re.escape(name)}/(v[1-9][0-9]*)/{re.escape(CARD)}")
    found = [match[1] for path in read_manifest(models_dir) if (match := card.fullmatch(path))]
    return sorted(found, key=version_number)


def read_checked(models_dir: Path, part: str = "", again: str = "make train") -> dict[str, bytes]:
    """Content of every file by its path in the folder, the manifest itself left out.

    `part`: only paths that begin so, such as "iris/v1/"; `again`: the command that writes the files anew.
    """
    digests = {path: digest for path, digest in read_manifest(models_dir).items() if path.startswith(part)}
    paths = (models_dir / part).rglob("*")
    present = {path.relative_to(models_dir).as_posix() for path in paths if not path.is_dir()}
    for unlisted in sorted(present - digests.keys() - {MANIFEST}):
        raise ArtefactChanged(f"{unlisted}: not in {MANIFEST}; remove it, or run: {again}")
    files = {}
    for path, expected in digests.items():
        if path not in present:
            raise ArtefactChanged(f"{path}: listed in {MANIFEST}, but missing; restore it, or run: {again}")
        content = (models_dir / path).read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != expected:
            raise ArtefactChanged(
                f"{path}: sha256 {found[:12]}… instead of {expected[:12]}…; restore the file, or run: {again}"
            )
        files[path] = content
    return files


def encode_manifest(digests: Mapping[str, str]) -> bytes:
    """The one accepted spelling of a manifest: sorted, indented, newline at the end."""
    return msgspec.json.format(msgspec.json.encode(dict(sorted(digests.items()))), indent=2) + b"\n"


def read_card(path: str, content: bytes) -> Card:
    try:
        return msgspec.json.decode(content, type=Card)
    except msgspec.DecodeError as error:
        raise ArtefactChanged(f"{path}: not a model card ({error}); run: make train") from error


def describe(card: Card, sha256: str) -> ModelInfo:
    return ModelInfo(
        name=card.name,
        version=card.version,
        kind=card.kind,
        width=card.width,
        labels=card.labels,
        sha256=sha256,
        heavy=card.heavy,
        accuracy=card.held_out,
        trained_on=card.trained_on,
    )


def read_manifest(models_dir: Path) -> dict[str, str]:
    """The digest of every file by its path. Raises ArtefactChanged."""
    try:
        content = (models_dir / MANIFEST).read_bytes()
    except OSError as error:
        raise ArtefactChanged(f"{MANIFEST}: unreadable in {models_dir} ({error.strerror}); run: make train") from error
    try:
        digests = msgspec.json.decode(content, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArtefactChanged(f"{MANIFEST}: not a list of digests ({error}); run: make train") from error
    if content != encode_manifest(digests):
        raise ArtefactChanged(f"{MANIFEST}: not as training wrote it; restore it, or run: make train")
    return digests


def _load_model(card_path: str, card: Card, files: Mapping[str, bytes]) -> Kernel:
    path = card_path.removesuffix(CARD) + card.artefact
    if path not in files or card.format not in FORMATS:
        raise ArtefactChanged(f"{card_path}: names {card.artefact!r} of format {card.format!r}; run: make train")
    info = describe(card, hashlib.sha256(files[path]).hexdigest())
    try:
        kernel: Kernel = FORMATS[card.format](info, files[path], path)
    except ValueError as error:
        raise ArtefactChanged(f"{path}: not a model of format {card.format!r} ({error}); run: make train") from error
    return kernel


def _by_name_and_version(entry: tuple[str, Card]) -> tuple[str, int]:
    card = entry[1]
    return card.name, version_number(card.version)
