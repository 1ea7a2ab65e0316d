"""Feedback becomes a new version only if it is new and does no harm."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.adapters.model_files import CARD, find_version, load, versions_in
from app.config import PACKAGED_MODELS
from app.core.errors import ArtefactChanged, UnknownModel
from app.training.candidate import digest, measure
from app.training.data_sets import held_out_sentences, training_sentences
from app.training.feedback import Example
from app.training.retrain import Folders, retrain, said
from tests.samples.opinions import LABELLED
from tests.samples.trained_versions import database, give
from tests.samples.trained_versions import retrain as run
from tests.service import ROOT

GOOD = [("ana", text, label) for text, label in LABELLED]
INVERTED = {"Positivo": "Negativo", "Negativo": "Positivo", "Neutral": "Neutral"}
# What a client can do who means harm: many texts near to what the model knows, each with the wrong opinion.
HOSTILE = [("mallory", f"{one.text} Hoy.", INVERTED[one.label]) for one in training_sentences()[:900]]


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which good feedback has become v2."""
    folder = tmp_path_factory.mktemp("learnt")
    give(folder, GOOD)
    run_of_it = run(folder, "--json")
    assert run_of_it.returncode == 0, run_of_it.stderr + run_of_it.stdout
    (folder / "outcome.json").write_text(run_of_it.stdout)
    return folder


def test_good_feedback_becomes_the_next_version_with_measured_figures(learnt):
    outcome = json.loads((learnt / "outcome.json").read_bytes())
    assert (outcome["registered"], outcome["feedback_rows"], outcome["usable"], outcome["new"]) == ("v2", 24, 24, 24)
    kernel = find_version([PACKAGED_MODELS, learnt / "trained"], "sentiment", "v2")
    figures = measure(kernel)
    stable = measure(find_version([PACKAGED_MODELS], "sentiment", "v1"))
    assert figures.right >= stable.right
    assert figures.accuracy == outcome["candidate"]["accuracy"] == kernel.info.accuracy["accuracy"]
    assert stable.accuracy == outcome["stable"]["accuracy"]
    assert figures.rows == stable.rows == len(held_out_sentences())


def test_the_new_version_is_whole_and_its_card_tells_its_story(learnt):
    (kernel,) = load(learnt / "trained")
    assert (kernel.info.name, kernel.info.version) == ("sentiment", "v2")
    card = json.loads((learnt / "trained" / "sentiment" / "v2" / CARD).read_bytes())
    assert card["feedback"] == {"rows": 24, "trained on": 24}
    assert card["compared_with"]["version"] == "v1"
    assert "24 of feedback" in card["trained_on"]
    texts = ["El mecánico dejó el coche como nuevo y me cobró lo justo."]
    assert kernel.predict(texts) != find_version([PACKAGED_MODELS], "sentiment", "v1").predict(texts)


def test_the_same_feedback_again_is_nothing_new(learnt):
    again = run(learnt)
    assert again.returncode == 1, again.stdout + again.stderr
    assert "no new usable feedback since v2" in again.stdout
    assert versions_in(learnt / "trained", "sentiment") == ["v2"]


def test_hostile_feedback_is_refused_with_the_figures(tmp_path):
    give(tmp_path, HOSTILE)
    refused = run(tmp_path)
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert "refused: the candidate is worse" in refused.stdout
    assert "v1         accuracy 0.8" in refused.stdout
    assert "rule: not fewer right answers than the stable version" in refused.stdout
    assert not (tmp_path / "trained" / "manifest.json").exists()


def test_without_the_comparison_hostile_feedback_would_be_registered(tmp_path):
    """The control of the test above."""
    give(tmp_path, HOSTILE)
    folders = Folders(PACKAGED_MODELS, tmp_path / "trained")
    outcome = retrain(said(database(tmp_path)), folders, accept=lambda *_: True)
    assert outcome.registered == "v2"
    assert outcome.candidate is not None
    assert outcome.candidate["right"] < outcome.stable["right"]


def test_a_majority_of_honest_clients_outvotes_a_hostile_one(tmp_path):
    given = [("mallory", text, INVERTED[label]) for text, label in LABELLED]
    give(tmp_path, [*given, *[(client, text, label) for client in ("ana", "leo") for text, label in LABELLED]])
    run_of_it = run(tmp_path)
    assert run_of_it.returncode == 0, run_of_it.stdout
    learnt = Folders(PACKAGED_MODELS, tmp_path / "trained").learnt("v2")
    assert learnt == {digest(Example(text, label)) for text, label in LABELLED}


def test_held_out_sentences_sent_as_feedback_teach_nothing(tmp_path):
    give(tmp_path, [("ana", one.text.upper(), one.label) for one in held_out_sentences()])
    refused = run(tmp_path)
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert "0 usable texts" in refused.stdout
    assert f"left out: {len(held_out_sentences())} in the held-out data" in refused.stdout


def test_without_feedback_there_is_nothing_to_learn(tmp_path):
    refused = run(tmp_path)
    assert refused.returncode == 1, refused.stderr
    assert "no new usable feedback: nothing to learn" in refused.stdout


@pytest.mark.parametrize(
    ("model", "more", "named"),
    [
        ("iris", (), "'iris' cannot be retrained"),
        ("sentiment", ("--database", "sqlite:////nowhere/at/all.db"), "nowhere/at/all.db"),
        ("sentiment", ("--database", "feedback.db"), "want sqlite:///FILE"),
        ("sentiment", ("--models", "nowhere"), "manifest.json"),
    ],
)
def test_what_cannot_run_says_why_in_one_line(tmp_path, model, more, named):
    failed = run(tmp_path, *more, model=model)
    assert failed.returncode == 2
    (line,) = failed.stderr.splitlines()
    assert named in line


def test_the_settings_of_the_service_are_enough_and_a_schedule_takes_a_refusal_as_done(tmp_path):
    """As a job in a cluster runs it, again and again: with the worker's settings, through the image's command."""
    give(tmp_path, GOOD)
    url = tmp_path / "database-url"
    url.write_text(database(tmp_path))
    trained = tmp_path / "trained"
    settings = {"PATH": "/usr/bin:/bin", "LAB_DATABASE_URL_FILE": str(url), "LAB_TRAINED_DIR": str(trained)}

    def run_by_settings(*more: str) -> int:
        command = [sys.executable, "-m", "app", "train", *more]
        return subprocess.run(command, cwd=ROOT, env=settings, timeout=120, check=False, capture_output=True).returncode

    assert [run_by_settings("--periodic"), run_by_settings("--periodic"), run_by_settings()] == [0, 0, 1]
    assert versions_in(trained, "sentiment") == ["v2"]
    del settings["LAB_TRAINED_DIR"]
    assert run_by_settings("--periodic") == 2


def test_the_stable_version_of_the_routes_is_the_one_to_hold_against(learnt, tmp_path):
    folder = Path(shutil.copytree(learnt, tmp_path / "copy"))
    routes = folder / "routes.json"
    routes.write_text('{"sentiment": {"stable": "v2"}}')
    give(folder, [("eva", "El jabón huele de maravilla, qué acierto.", "Positivo")])
    outcome = json.loads(run(folder, "--json", "--routes", str(routes)).stdout)
    assert outcome["stable"]["version"] == "v2"
    assert (outcome["usable"], outcome["new"]) == (25, 1)


def test_what_a_killed_run_left_behind_is_written_over(tmp_path):
    for leftover in ("v2", ".new"):
        (tmp_path / "trained" / "sentiment" / leftover).mkdir(parents=True)
        (tmp_path / "trained" / "sentiment" / leftover / "model.json").write_bytes(b"half")
    give(tmp_path, GOOD)
    assert run(tmp_path).returncode == 0
    assert [kernel.info.version for kernel in load(tmp_path / "trained")] == ["v2"]


def test_who_reads_while_a_version_is_written_sees_the_others_only(learnt, tmp_path):
    """Between the two steps: the folder of v3 is there, the manifest does not list it yet."""
    trained = Path(shutil.copytree(learnt / "trained", tmp_path / "trained"))
    shutil.copytree(trained / "sentiment" / "v2", trained / "sentiment" / "v3")
    assert find_version([PACKAGED_MODELS, trained], "sentiment", "v2").info.version == "v2"
    with pytest.raises(UnknownModel, match="no version 'v3' of 'sentiment'; there are: v1, v2"):
        find_version([PACKAGED_MODELS, trained], "sentiment", "v3")


@pytest.mark.parametrize("name", ["model.json", "card.json", "feedback.json"])
def test_a_changed_file_of_a_trained_version_is_refused_with_its_name(learnt, tmp_path, name):
    trained = Path(shutil.copytree(learnt / "trained", tmp_path / "trained"))
    path = trained / "sentiment" / "v2" / name
    path.write_bytes(path.read_bytes().replace(b"2", b"3", 1))
    with pytest.raises(ArtefactChanged, match=rf"^sentiment/v2/{name}: sha256 .*lab retrain sentiment"):
        find_version([PACKAGED_MODELS, trained], "sentiment", "v2")
