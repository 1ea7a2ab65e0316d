"""A models folder that is not as training left it is refused at the start, with the file's name."""

import random
import shutil
from pathlib import Path

import pytest

from app.adapters.model_files import read_checked
from app.config import PACKAGED_MODELS
from app.core.errors import ArtefactChanged
from tests.sample_rows import IRIS
from tests.service import refused_start, running_service

FILES = sorted(path.relative_to(PACKAGED_MODELS).as_posix() for path in PACKAGED_MODELS.rglob("*") if path.is_file())


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PACKAGED_MODELS, tmp_path / "models"))


def change_one_byte(path: Path, seed: int) -> None:
    content = bytearray(path.read_bytes())
    content[random.Random(seed).randrange(len(content))] ^= 1
    path.write_bytes(content)


def test_an_unchanged_copy_is_served(models, tmp_path):
    """The control of this module."""
    with running_service(tmp_path, models_dir=models) as service:
        assert service.post("/predict", {"data": IRIS}).json() == {"result": [0, 2]}


@pytest.mark.parametrize("name", ["iris/v1/model.json", "digits/v1/model.onnx", "forest/v1/card.json"])
def test_the_service_does_not_start_with_a_byte_changed(models, name):
    change_one_byte(models / name, seed=0)
    line = refused_start(models_dir=models)
    assert name in line
    assert "make train" in line


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("seed", range(3))
def test_no_file_can_change_unnoticed(models, name, seed):
    change_one_byte(models / name, seed)
    with pytest.raises(ArtefactChanged) as refused:
        read_checked(models)
    # A byte of a digest in the manifest accuses the file which that digest is of.
    assert name in str(refused.value) or name == "manifest.json"


def test_a_missing_and_an_extra_file_are_named(models):
    moved = models / "iris" / "v1" / "model.json"
    moved.rename(moved.with_name("old.json"))
    with pytest.raises(ArtefactChanged, match=r"iris/v1/old\.json: not in manifest"):
        read_checked(models)
    (moved.with_name("old.json")).unlink()
    assert "iris/v1/model.json" in refused_start(models_dir=models)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    assert str(tmp_path / "nowhere") in refused_start(models_dir=tmp_path / "nowhere")
