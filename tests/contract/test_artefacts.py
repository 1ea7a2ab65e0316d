"""The committed models against scikit-learn and JAX themselves, against their cards, and their data."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from sklearn.datasets import load_diabetes, load_digits, load_iris, load_wine
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, r2_score, root_mean_squared_error

import app
from app.adapters import forest as forest_adapter
from app.adapters.model_files import CARD, MANIFEST, Card, load, read_card
from app.adapters.onnx_kernel import open_session
from app.core.model import Kernel
from app.core.sentiment import SentimentKernel
from app.core.text_features import plain
from app.training import digits, forest, linear, sentiment
from app.training.catalogue import SUBJECTS
from app.training.data_sets import (
    SENTENCES,
    Sentence,
    held_out_sentences,
    split_diabetes,
    split_iris,
    split_wine,
    training_sentences,
)

MODELS = Path(app.__file__).parent / "models"
CARDS = sorted(path.parent.relative_to(MODELS).as_posix() for path in MODELS.rglob(CARD))
ONE_MEGABYTE = 1_000_000
PROBABILITY_TOLERANCE = 1e-4
"""Weights are stored with five decimals."""
LOGIT_TOLERANCE = 1e-4
"""Absolute; float32 in onnxruntime against float64 in JAX, logits up to about 30."""


def card_of(folder: str) -> Card:
    return read_card(folder, (MODELS / folder / CARD).read_bytes())


@pytest.fixture(scope="module")
def kernels() -> dict[str, Any]:
    return {f"{kernel.info.name}/{kernel.info.version}": kernel for kernel in load(MODELS)}


@pytest.fixture(scope="module")
def fitted_forest() -> Any:
    return forest_adapter.fit(forest.recipe_of(split_wine(forest.SEED)))


def test_iris_is_scikit_learns_fit(kernels: dict[str, Kernel]) -> None:
    fitted = linear.fit_iris(split_iris(linear.IRIS_SEED))
    rows = load_iris().data
    assert kernels["iris/v1"].predict(rows.tolist()).result == fitted.predict(rows).tolist()


def test_diabetes_is_scikit_learns_fit(kernels: dict[str, Kernel]) -> None:
    fitted = linear.fit_diabetes(split_diabetes(linear.DIABETES_SEED))
    rows = load_diabetes().data
    np.testing.assert_allclose(kernels["diabetes/v1"].predict(rows.tolist()).result, fitted.predict(rows), rtol=1e-9)


@pytest.mark.parametrize("batch", [1, 7, 1797])
def test_digits_answers_as_the_network_in_jax_with_its_weights(kernels: dict[str, Kernel], batch: int) -> None:
    """The weights in the graph, put back into the JAX network of the training, over every image there is."""
    graph = onnx.load(MODELS / "digits/v1/model.onnx").graph
    weights = {tensor.name: numpy_helper.to_array(tensor).astype(np.float64) for tensor in graph.initializer}
    weights["conv1"] = weights["conv1"] * digits.BRIGHTEST
    rows = load_digits().data
    expected = digits.reference_logits(weights, rows)
    session = open_session((MODELS / "digits/v1/model.onnx").read_bytes())
    answers: list[Any] = []
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        (served,) = session.run(("logits",), {"rows": part.astype(np.float32)})
        np.testing.assert_allclose(served, expected[start : start + batch], atol=LOGIT_TOLERANCE, rtol=0)
        answers += kernels["digits/v1"].predict(part.tolist()).result
    assert answers == expected.argmax(axis=1).tolist()


def test_digits_clips_what_no_pixel_can_be(kernels: dict[str, Kernel]) -> None:
    row = load_digits().data[0].tolist()
    wild = [-1e308 if value == 0.0 else 1e308 if value == 16.0 else value for value in row]
    assert wild != row
    assert kernels["digits/v1"].predict([wild]).result == kernels["digits/v1"].predict([row]).result


def forest_inputs(fitted: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """All wines, random rows of their range, and rows that lie on, just below and just above thresholds."""
    wines = load_wine().data
    generator = np.random.default_rng(5)
    between = generator.uniform(wines.min(axis=0), wines.max(axis=0), (3000, 13))
    edges = []
    for estimator in fitted.estimators_:
        tree = estimator.tree_
        for node in np.flatnonzero(tree.feature >= 0):
            threshold = tree.threshold[node]
            for value in (threshold, np.nextafter(np.float32(threshold), np.inf), threshold * (1 - 1e-7)):
                row = wines[node % len(wines)].copy()
                row[tree.feature[node]] = value
                edges.append(row)
    return np.concatenate([wines, between, np.array(edges)])


@pytest.mark.parametrize("version", ["forest/v1", "forest/v2"])
def test_both_forests_answer_as_random_forest_classifier(
    kernels: dict[str, Kernel], fitted_forest: Any, version: str
) -> None:
    """Ties among the votes included: scikit-learn takes the first class."""
    rows = forest_inputs(fitted_forest)
    share = np.sort(fitted_forest.predict_proba(rows), axis=1)
    assert (share[:, -1] - share[:, -2] < 1e-9).sum() > 5, "no ties among the inputs: the test would prove less"
    assert kernels[version].predict(rows.tolist()).result == fitted_forest.predict(rows).tolist()


@pytest.mark.parametrize("version", ["forest/v1", "forest/v2"])
def test_forests_answer_numbers_beyond_float32(kernels: dict[str, Kernel], version: str) -> None:
    largest = float(np.finfo(np.float32).max)
    assert (
        kernels[version].predict([[1e308] * 13, [-1e308] * 13]).result
        == kernels[version].predict([[largest] * 13, [-largest] * 13]).result
    )


def test_sentiment_is_scikit_learns_fit(kernels: dict[str, SentimentKernel]) -> None:
    """Label and probabilities of every sentence, training and held-out, against the pipeline fitted again."""
    opinions = sentiment.read_opinions()
    sentences = training_sentences()
    pipeline = sentiment.fit(
        [sentiment.described(sentence.text, opinions) for sentence in sentences],
        [sentence.label for sentence in sentences],
    )
    texts = [sentence.text for sentence in [*sentences, *held_out_sentences()]]
    expected = pipeline.predict_proba([sentiment.described(text, opinions) for text in texts])
    kernel = kernels["sentiment/v1"]
    found = np.array([kernel.probabilities(text) for text in texts])
    np.testing.assert_allclose(found, expected, atol=PROBABILITY_TOLERANCE, rtol=0)
    assert kernel.predict(texts).result == [sentiment.LABELS[index] for index in expected.argmax(axis=1)]


def measured(card: Card, kernel: Kernel) -> dict[str, float]:
    rows, expected = SUBJECTS[card.name].held_out()
    answers = kernel.predict(rows).result
    if card.kind == "regressor":
        return {
            "r2": r2_score(expected, answers),
            "rmse": root_mean_squared_error(expected, answers),
            "mae": mean_absolute_error(expected, answers),
        }
    return {
        "accuracy": accuracy_score(expected, answers),
        "f1_macro": f1_score(expected, answers, average="macro"),
    }


@pytest.mark.parametrize("folder", CARDS)
def test_the_metrics_of_a_card_are_what_its_kernel_reaches(kernels: dict[str, Kernel], folder: str) -> None:
    card = card_of(folder)
    found = measured(card, kernels[folder])
    compared = card.held_out.keys() & found.keys()
    assert compared & {"accuracy", "r2"}
    assert {name: found[name] for name in compared} == pytest.approx(
        {name: card.held_out[name] for name in compared}, rel=1e-9
    )
    assert card.held_out_rows == len(SUBJECTS[card.name].held_out()[0])
    assert kernels[folder].info.accuracy == card.held_out


@pytest.mark.parametrize(
    ("folder", "metric", "bar"),
    [
        ("iris/v1", "accuracy", 0.95),
        ("digits/v1", "accuracy", 0.97),
        ("sentiment/v1", "accuracy", 0.80),
        ("forest/v1", "accuracy", 0.90),
        ("forest/v2", "accuracy", 0.90),
        ("diabetes/v1", "r2", 0.40),
    ],
)
def test_held_out_metrics_reach_their_bar(folder: str, metric: str, bar: float) -> None:
    assert card_of(folder).held_out[metric] >= bar


@pytest.mark.parametrize("folder", CARDS)
def test_a_card_says_where_its_model_comes_from(folder: str) -> None:
    card = card_of(folder)
    assert f"{card.name}/{card.version}" == folder
    assert card.trained_on
    assert card.split
    assert card.input
    assert {"python", "numpy"} <= card.libraries.keys()
    assert re.search(r"\d", card.parity)
    assert (MODELS / folder / card.artefact).stat().st_size < ONE_MEGABYTE


def test_digits_is_a_convolutional_network_with_a_free_batch_size() -> None:
    model = onnx.load(MODELS / "digits/v1/model.onnx")
    assert [node.op_type for node in model.graph.node].count("Conv") == 2
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_the_manifest_lists_every_file_in_order() -> None:
    digests = msgspec.json.decode((MODELS / MANIFEST).read_bytes(), type=dict[str, str])
    present = {path.relative_to(MODELS).as_posix() for path in MODELS.rglob("*") if path.is_file()}
    assert set(digests) == present - {MANIFEST}
    assert list(digests) == sorted(digests)


def bare(text: str) -> str:
    """The words alone: no case, accents or punctuation."""
    return " ".join(re.findall(r"\w+", plain(text)))


PARTS = {path.stem: path for path in sorted(SENTENCES.glob("*.tsv"))}


def part(name: str) -> list[Sentence]:
    return held_out_sentences() if name == "held-out" else training_sentences(name)


def test_there_are_enough_sentences() -> None:
    assert len(training_sentences()) >= 900
    assert len(held_out_sentences()) >= 250
    assert len({sentence.subject for sentence in training_sentences()}) >= 15
    assert len({sentence.register for sentence in training_sentences()}) >= 4


@pytest.mark.parametrize("name", PARTS)
def test_each_part_is_balanced_over_the_three_labels(name: str) -> None:
    counts = Counter(sentence.label for sentence in part(name))
    assert set(counts) == {"Negativo", "Neutral", "Positivo"}
    assert len(set(counts.values())) == 1, counts


def test_no_sentence_is_there_twice() -> None:
    counts = Counter(bare(sentence.text) for sentence in [*training_sentences(), *held_out_sentences()])
    assert [text for text, count in counts.items() if count > 1] == []


def test_no_held_out_sentence_is_nearly_one_of_training() -> None:
    """Shared words over all words of the two (Jaccard); a sentence with one word exchanged reaches 0.75 and more."""
    training = [frozenset(bare(sentence.text).split()) for sentence in training_sentences()]
    held_out = [frozenset(bare(sentence.text).split()) for sentence in held_out_sentences()]
    nearest = max(len(words & other) / len(words | other) for words in held_out for other in training)
    assert nearest < 0.75


def test_training_and_held_out_share_no_subject() -> None:
    training = {bare(sentence.subject) for sentence in training_sentences()}
    assert not training & {bare(sentence.subject) for sentence in held_out_sentences()}


def test_opinion_words_are_written_as_they_are_looked_up() -> None:
    entries = [
        entry
        for line in (SENTENCES / "opinion-words.txt").read_text(encoding="utf-8").splitlines()
        if not line.startswith(("#", "["))
        for entry in line.split()
    ]
    assert [entry for entry, count in Counter(entries).items() if count > 1] == []
    assert [entry for entry in entries if plain(entry) != entry] == []
