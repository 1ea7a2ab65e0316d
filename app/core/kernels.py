"""Linear models as plain arithmetic: what scikit-learn's estimators compute, without its input checks.

Small batches are answered with Python floats, because a NumPy call costs more than the arithmetic of a few
rows; larger ones with one matrix product. Both paths answer the same.
"""

from operator import mul
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.core.errors import UnusableInput
from app.core.model import Answer, ModelInfo

SCALAR_ROWS: Final = 6
"""Up to this many rows the scalar path is the faster one (measured with 4 numbers and 3 classes)."""


class LinearWeights(msgspec.Struct, frozen=True, kw_only=True):
    """A fitted linear model: one vector of `coef` and one `intercept` per class (one in all for a regressor)."""

    coef: tuple[tuple[float, ...], ...]
    intercept: tuple[float, ...]


class LinearClassifier:
    """Answers the class whose linear score is highest, the first of them on a tie, as `argmax` does.

    Softmax keeps the order of the scores, so a multinomial logistic regression needs no more than this.
    """

    __slots__ = ("_bias", "_classes", "_coef", "info")

    def __init__(self, info: ModelInfo, weights: LinearWeights) -> None:
        self.info: Final = info
        self._classes: Final = tuple(enumerate(zip(weights.coef, weights.intercept, strict=True)))
        self._coef: Final[NDArray[np.float64]] = np.array(weights.coef).T.copy()
        self._bias: Final[NDArray[np.float64]] = np.array(weights.intercept)

    def predict(self, rows: list[list[float]]) -> Answer:
        if len(rows) > SCALAR_ROWS:
            return Answer(self._batch(rows))
        return Answer([self._single(row, 1.0) for row in rows])

    def _single(self, row: list[float], unit: float) -> int:
        best = 0
        highest = -np.inf
        for index, (coef, bias) in self._classes:
            score = sum(map(mul, coef, row)) + bias * unit
            if score - score != 0.0:  # an infinity or NaN: the products overflowed
                return self._overflowed(row)
            if score > highest:
                highest = score
                best = index
        return best

    def _overflowed(self, row: list[float]) -> int:
        """Divide row and biases by the same positive number: the order of the scores stays the same."""
        largest = max(map(abs, row))
        return self._single([value / largest for value in row], 1.0 / largest)

    def _batch(self, rows: list[list[float]]) -> list[int]:
        with np.errstate(over="ignore", invalid="ignore"):
            scores = np.array(rows) @ self._coef + self._bias
        best: list[int] = scores.argmax(axis=1).tolist()
        if not np.isfinite(scores).all():
            for index in np.flatnonzero(~np.isfinite(scores).all(axis=1)).tolist():
                best[index] = self._overflowed(rows[index])
        return best


class LinearRegressor:
    """Answers the linear score itself.

    Raises `UnusableInput` when it overflows: JSON carries neither infinities nor NaN.
    """

    __slots__ = ("_bias", "_coef", "_vector", "info")

    def __init__(self, info: ModelInfo, weights: LinearWeights) -> None:
        self.info: Final = info
        (self._coef,) = weights.coef
        (self._bias,) = weights.intercept
        self._vector: Final[NDArray[np.float64]] = np.array(self._coef)

    def predict(self, rows: list[list[float]]) -> Answer:
        if len(rows) > SCALAR_ROWS:
            with np.errstate(over="ignore", invalid="ignore"):
                result: list[float] = (np.array(rows) @ self._vector + self._bias).tolist()
        else:
            coef, bias = self._coef, self._bias
            result = [sum(map(mul, coef, row)) + bias for row in rows]
        for index, value in enumerate(result):
            if value - value != 0.0:
                raise UnusableInput(
                    f"{self.info.name}: row {index} has numbers too large for a finite answer "
                    f"(largest {max(map(abs, rows[index])):.3g}); send values of the training data's scale"
                )
        return Answer(result)
