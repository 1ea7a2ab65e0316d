"""Sentiment of Spanish text: a multinomial logistic regression over text features, as plain arithmetic."""

import math
from typing import Final

import msgspec

from app.core.model import Answer, ModelInfo
from app.core.text_features import Opinions, features

NEUTRAL_FROM: Final = 0.45
POSITIVE_FROM: Final = 0.55
_JUST: Final = 1e-4
"""Scores have four decimals; this is the smallest step."""


class SentimentWeights(msgspec.Struct, frozen=True):
    """Log-odds of Negativo and of Positivo against Neutral, by feature, and those of an empty text."""

    bias: tuple[float, float]
    features: dict[str, tuple[float, float]]
    opinions: Opinions


class SentimentKernel:
    """Answers Negativo, Neutral or Positivo and a score in 0..1 whose band is the label.

    Below 0.45 is Negativo, below 0.55 Neutral. Within its band a score grows with the probability of Positivo,
    or falls with that of Negativo.
    """

    __slots__ = ("_weights", "info")

    def __init__(self, info: ModelInfo, weights: SentimentWeights) -> None:
        self.info: Final = info
        self._weights: Final = weights

    def predict(self, rows: list[str]) -> Answer:
        negative, neutral, positive = self.info.labels
        result: list[str] = []
        scores: list[float] = []
        for text in rows:
            score = score_of(*self.probabilities(text))
            result.append(negative if score < NEUTRAL_FROM else neutral if score < POSITIVE_FROM else positive)
            scores.append(score)
        return Answer(result, scores)

    def probabilities(self, text: str) -> tuple[float, float, float]:
        """Probabilities of Negativo, Neutral and Positivo; they add up to 1."""
        weights = self._weights
        negative, positive = weights.bias
        known = weights.features.get
        for value, names in features(text, weights.opinions):
            for name in names:
                weight = known(name)
                if weight is not None:
                    negative += value * weight[0]
                    positive += value * weight[1]
        highest = max(negative, positive, 0.0)
        odds = (math.exp(negative - highest), math.exp(-highest), math.exp(positive - highest))
        total = sum(odds)
        return odds[0] / total, odds[1] / total, odds[2] / total


def score_of(negative: float, neutral: float, positive: float) -> float:
    """A score in the band of the most probable label (Neutral before the others on a tie), four decimals.

    The winner's probability p lies in 1/3..1; (3p - 1) / 2 stretches it to 0..1.
    """
    if neutral >= negative and neutral >= positive:
        middle = (NEUTRAL_FROM + POSITIVE_FROM) / 2
        return round(middle + 0.09 * (positive - negative), 4)
    if negative >= positive:
        return round(min(NEUTRAL_FROM * (1 - (3 * negative - 1) / 2), NEUTRAL_FROM - _JUST), 4)
    return round(min(POSITIVE_FROM + (1 - POSITIVE_FROM) * (3 * positive - 1) / 2, 1.0), 4)
