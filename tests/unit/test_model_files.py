"""A models folder is loaded only as training wrote it."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import app
from app.adapters.forest import Recipe
from app.adapters.model_files import CARD, MANIFEST, encode_manifest, load, read_checked
from app.core.errors import ArtefactChanged, ForestChanged

MODELS = Path(app.__file__).parent / "models"
FILES = sorted(path.relative_to(MODELS).as_posix() for path in MODELS.rglob("*") if path.is_file())


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MODELS, tmp_path / "models"))


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def rewrite_manifest(models: Path) -> None:
    paths = [path for path in models.rglob("*") if path.is_file() and path.name != MANIFEST]
    digests = {path.relative_to(models).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    (models / MANIFEST).write_bytes(encode_manifest(digests))


def test_an_untouched_folder_loads_by_name_and_version(models: Path) -> None:
    """The control of every refusal below."""
    loaded = [(kernel.info.name, kernel.info.version) for kernel in load(models)]
    assert loaded == [
        ("diabetes", "v1"),
        ("digits", "v1"),
        ("forest", "v1"),
        ("forest", "v2"),
        ("iris", "v1"),
        ("sentiment", "v1"),
    ]


def test_a_kernel_tells_the_digest_of_its_artefact(models: Path) -> None:
    digests = msgspec.json.decode((models / MANIFEST).read_bytes(), type=dict[str, str])
    for kernel in load(models):
        folder = f"{kernel.info.name}/{kernel.info.version}/"
        assert kernel.info.sha256 in {value for path, value in digests.items() if path.startswith(folder)}


@pytest.mark.parametrize("name", [name for name in FILES if name != MANIFEST])
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_a_flipped_byte_is_refused_with_the_name_of_the_file(models: Path, name: str, place: float) -> None:
    path = models / name
    flip(path, round(place * (path.stat().st_size - 1)))
    with pytest.raises(ArtefactChanged, match=f"^{name}: sha256 "):
        load(models)


def test_any_flipped_byte_of_the_manifest_is_refused_with_the_name_of_a_file(models: Path) -> None:
    manifest = models / MANIFEST
    untouched = manifest.read_bytes()
    for position in range(len(untouched)):
        flip(manifest, position)
        with pytest.raises(ArtefactChanged) as refused:
            read_checked(models)
        assert any(str(refused.value).startswith(f"{name}: ") for name in FILES), refused.value
        manifest.write_bytes(untouched)
    assert read_checked(models)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_with_its_name(models: Path, name: str) -> None:
    (models / name).unlink()
    with pytest.raises(ArtefactChanged, match=f"^{name}: "):
        load(models)


@pytest.mark.parametrize("name", ["iris/v1/model.pkl", "notes.txt", "iris/v2/card.json"])
def test_an_unlisted_file_is_refused_with_its_name(models: Path, name: str) -> None:
    path = models / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"{}")
    with pytest.raises(ArtefactChanged, match=f"^{name}: not in {MANIFEST}"):
        load(models)


def test_a_folder_without_models_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactChanged, match=f"^{MANIFEST}: "):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("old", "new"), [('"linear-classifier"', '"pickle"'), ('"model.json"', '"../v1/other.json"'), ('"iris"', "7")]
)
def test_a_card_that_does_not_fit_is_refused_with_its_name(models: Path, old: str, new: str) -> None:
    card = models / "iris/v1" / CARD
    card.write_text(card.read_text().replace(old, new))
    rewrite_manifest(models)
    with pytest.raises(ArtefactChanged, match=r"^iris/v1/card\.json: "):
        load(models)


@pytest.mark.parametrize("name", ["iris/v1/model.json", "digits/v1/model.onnx", "sentiment/v1/model.json"])
def test_an_artefact_that_cannot_be_read_is_refused_with_its_name(models: Path, name: str) -> None:
    (models / name).write_bytes(b"{}")
    rewrite_manifest(models)
    with pytest.raises(ArtefactChanged, match=f"^{name}: "):
        load(models)


def test_a_forest_that_answers_differently_is_refused(models: Path) -> None:
    """As after an upgrade of scikit-learn that grows other trees: here by another seed."""
    path = models / "forest/v1/model.json"
    recipe = msgspec.json.decode(path.read_bytes(), type=Recipe)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(recipe, seed=recipe.seed + 1)))
    rewrite_manifest(models)
    with pytest.raises(ForestChanged, match=r"^forest/v1/model\.json: .*make train"):
        load(models)


def test_serving_loads_no_training_library() -> None:
    """In a process of its own; scikit-learn comes in with the forest, not with the module.

    Where pandas is installed (the notebooks need it; the image has none), scikit-learn imports it by itself.
    """
    script = """
import sys
from pathlib import Path
from app.adapters import model_files
assert "sklearn" not in sys.modules, "imported with the module"
assert model_files.load(Path(sys.argv[1]))
assert "sklearn" in sys.modules
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"jax", "optax", "onnx", "skl2onnx"}))
print(*[name for name in sys.modules if name.startswith("app.training")])
"""
    run = subprocess.run(
        [sys.executable, "-c", script, str(MODELS)], capture_output=True, text=True, check=False, timeout=120
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []


def test_artefacts_are_json_and_onnx_alone() -> None:
    """Nothing that unpickles."""
    assert {Path(name).suffix for name in FILES} == {".json", ".onnx"}
