"""A retraining gives the committed models; the comparison that says so can fail."""

import hashlib
import shutil
from pathlib import Path

import msgspec
import pytest

import app
from app.adapters.model_files import MANIFEST, encode_manifest, load
from app.core.kernels import LinearWeights
from app.training.__main__ import main
from app.training.catalogue import SUBJECTS

MODELS = Path(app.__file__).parent / "models"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MODELS, tmp_path / "models"))


def replace(models: Path, name: str, content: bytes) -> None:
    """Write a file and enter its digest in the manifest."""
    (models / name).write_bytes(content)
    digests = msgspec.json.decode((models / MANIFEST).read_bytes(), type=dict[str, str])
    digests[name] = hashlib.sha256(content).hexdigest()
    (models / MANIFEST).write_bytes(encode_manifest(digests))


def test_the_committed_models_agree_with_a_retraining(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err
    printed = capsys.readouterr().out
    assert "agrees with a retraining" in printed
    for number, name in enumerate(SUBJECTS, start=1):
        assert f"[{number}/{len(SUBJECTS)}] {name}: training" in printed


def test_other_weights_are_a_difference(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The control of the test above: answers differ, though digests and metrics in the cards agree."""
    path = models / "iris/v1/model.json"
    weights = msgspec.json.decode(path.read_bytes(), type=LinearWeights)
    other = msgspec.structs.replace(weights, intercept=(100.0, *weights.intercept[1:]))
    replace(models, "iris/v1/model.json", msgspec.json.encode(other))
    assert load(models)
    assert main(["--check", "--only", "iris", "--models", str(models)]) == 1
    assert "iris/v1: " in capsys.readouterr().err


def test_another_metric_in_a_card_is_a_difference(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "diabetes/v1/card.json"
    content = (models / name).read_text().replace('"r2": 0.', '"r2": 0.9')
    replace(models, name, content.encode())
    assert main(["--check", "--only", "diabetes", "--models", str(models)]) == 1
    assert "diabetes/v1: r2 is 0.4" in capsys.readouterr().err


def test_a_changed_file_is_a_difference(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models / "iris/v1/model.json").write_bytes(b"{}")
    assert main(["--check", "--only", "iris", "--models", str(models)]) == 1
    assert "iris/v1/model.json: sha256" in capsys.readouterr().err


def test_training_one_model_writes_what_is_committed_and_leaves_the_others(tmp_path: Path) -> None:
    """Byte for byte, for the models whose training is a closed formula or a seeded forest."""
    fresh = tmp_path / "fresh"
    assert main(["--only", "iris", "--only", "forest", "--models", str(fresh)]) == 0
    assert [kernel.info.name for kernel in load(fresh)] == ["forest", "forest", "iris"]
    again = tmp_path / "again"
    assert main(["--only", "forest", "--only", "iris", "--models", str(again)]) == 0
    for path in fresh.rglob("*.*"):
        assert path.read_bytes() == (again / path.relative_to(fresh)).read_bytes()


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert "python -m app.training --only digits" in capsys.readouterr().out


def test_an_unknown_model_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--only", "weather"])
    assert "weather" in capsys.readouterr().err
