"""Which models can be trained, and the held-out data that each is measured on."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from app.training import digits, forest, linear, sentiment
from app.training.data_sets import held_out_sentences, split_diabetes, split_digits, split_iris, split_wine
from app.training.trained import Trained


class Subject(msgspec.Struct, frozen=True):
    train: Callable[[], list[Trained]]
    held_out: Callable[[], tuple[list[Any], list[Any]]]
    """Rows and their true answers, in the form that a kernel takes and gives."""


def _held_out_iris() -> tuple[list[Any], list[Any]]:
    split = split_iris(linear.IRIS_SEED)
    return split.held_out_rows.tolist(), split.held_out_answers.tolist()


def _held_out_diabetes() -> tuple[list[Any], list[Any]]:
    split = split_diabetes(linear.DIABETES_SEED)
    return split.held_out_rows.tolist(), split.held_out_answers.tolist()


def _held_out_digits() -> tuple[list[Any], list[Any]]:
    split = split_digits(digits.SEED)
    return split.held_out_rows.tolist(), split.held_out_answers.tolist()


def _held_out_wines() -> tuple[list[Any], list[Any]]:
    split = split_wine(forest.SEED)
    return split.held_out_rows.tolist(), split.held_out_answers.tolist()


def _held_out_sentences() -> tuple[list[Any], list[Any]]:
    sentences = held_out_sentences()
    return [sentence.text for sentence in sentences], [sentence.label for sentence in sentences]


SUBJECTS: Final[Mapping[str, Subject]] = {
    "iris": Subject(linear.train_iris, _held_out_iris),
    "diabetes": Subject(linear.train_diabetes, _held_out_diabetes),
    "digits": Subject(digits.train_digits, _held_out_digits),
    "forest": Subject(forest.train_forest, _held_out_wines),
    "sentiment": Subject(sentiment.train_sentiment, _held_out_sentences),
}
