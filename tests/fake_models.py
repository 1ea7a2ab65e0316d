"""Small models for tests that are about the service, not about models."""

from collections.abc import Callable
from typing import Any

from app.core.model import Answer, ModelInfo

LABELS = ("setosa", "versicolor", "virginica")
MOODS = ("Negativo", "Neutral", "Positivo")


def info(name: str = "iris", version: str = "v1", **changes: Any) -> ModelInfo:
    facts: dict[str, Any] = {
        "kind": "classifier",
        "width": 4,
        "labels": LABELS,
        "sha256": f"{name}-{version}",
        "heavy": False,
        "accuracy": {"accuracy": 0.97},
        "trained_on": "made up for tests",
    }
    return ModelInfo(name=name, version=version, **facts | changes)


def text_info(name: str = "sentiment", **changes: Any) -> ModelInfo:
    return info(name, kind="text", width=0, labels=MOODS, **changes)


def by_first_number(rows: list[list[float]]) -> Answer:
    """The class of a row is its first number, whole, modulo 3."""
    return Answer([int(row[0]) % 3 for row in rows])


def by_length(rows: list[str]) -> Answer:
    return Answer([MOODS[len(row) % 3] for row in rows], [len(row) % 10 / 10 for row in rows])


class FakeKernel:
    """A kernel around a plain function; counts its calls."""

    def __init__(self, facts: ModelInfo, predict: Callable[[list[Any]], Answer]) -> None:
        self.info = facts
        self.calls: list[int] = []
        self._predict = predict

    def predict(self, rows: list[Any]) -> Answer:
        self.calls.append(len(rows))
        return self._predict(rows)


def kernels() -> list[Any]:
    """A light model, a heavy one in two versions, a regressor and a heavy text model."""
    return [
        FakeKernel(info(), by_first_number),
        FakeKernel(info("forest", heavy=True), by_first_number),
        FakeKernel(info("forest", "v2", heavy=True), by_first_number),
        FakeKernel(info("diabetes", kind="regressor", labels=()), lambda rows: Answer([sum(row) for row in rows])),
        FakeKernel(text_info(heavy=True), by_length),
    ]
