"""The data that models are trained and measured on, split into parts once and for all by a seed."""

import csv
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes, load_digits, load_iris, load_wine
from sklearn.model_selection import train_test_split

SENTENCES: Final = Path(__file__).parent / "data" / "sentiment"


class Split(msgspec.Struct, frozen=True):
    """Rows and answers for the fit, and those kept from it."""

    train_rows: NDArray[np.float64]
    train_answers: NDArray[Any]
    held_out_rows: NDArray[np.float64]
    held_out_answers: NDArray[Any]


class Sentence(msgspec.Struct, frozen=True):
    text: str
    label: str
    subject: str
    register: str


def split_iris(seed: int) -> Split:
    rows, labels = load_iris(return_X_y=True)
    return _split(rows, labels, share=0.3, seed=seed, stratify=True)


def split_diabetes(seed: int) -> Split:
    rows, progression = load_diabetes(return_X_y=True)
    return _split(rows, progression, share=0.25, seed=seed, stratify=False)


def split_digits(seed: int) -> Split:
    rows, labels = load_digits(return_X_y=True)
    return _split(rows, labels, share=0.25, seed=seed, stratify=True)


def split_wine(seed: int) -> Split:
    rows, labels = load_wine(return_X_y=True)
    return _split(rows, labels, share=0.3, seed=seed, stratify=True)


def training_sentences(part: str = "train-*") -> list[Sentence]:
    return [sentence for path in sorted(SENTENCES.glob(f"{part}.tsv")) for sentence in _read_sentences(path)]


def held_out_sentences() -> list[Sentence]:
    """Sentences about other subjects, by another author: for the one final measurement, never for a choice."""
    return _read_sentences(SENTENCES / "held-out.tsv")


def _read_sentences(path: Path) -> list[Sentence]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [msgspec.convert(row, Sentence) for row in rows]


def _split(rows: NDArray[Any], answers: NDArray[Any], *, share: float, seed: int, stratify: bool) -> Split:
    train_rows, held_out_rows, train_answers, held_out_answers = train_test_split(
        rows, answers, test_size=share, random_state=seed, stratify=answers if stratify else None
    )
    return Split(train_rows, train_answers, held_out_rows, held_out_answers)
