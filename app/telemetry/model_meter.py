"""Counts what one version of a model answered: rows by outcome and label, scores, look-ups in the process's cache."""

from collections import Counter as Tally
from collections.abc import Sequence
from typing import Any

from app.telemetry.catalogue import CACHE_TIERS, PREDICTION_OUTCOMES
from app.telemetry.metrics import Counter, Metrics


class ModelMeter:
    """The series of one version of a model; the event loop's thread only."""

    def __init__(self, metrics: Metrics, name: str, version: str, labels: Sequence[str], *, text: bool) -> None:
        """`labels`: display names of the classes, none for a regressor; `text`: answers are the labels themselves."""
        self._outcomes = {
            outcome: metrics.counter("predictions_total", name, version, outcome) for outcome in PREDICTION_OUTCOMES
        }
        self._computed, self._cached = self._outcomes["computed"], self._outcomes["cached"]
        self._labels: dict[Any, Counter] = {
            (label if text else index): metrics.counter("prediction_labels_total", name, version, label)
            for index, label in enumerate(labels)
        }
        self._score = metrics.histogram("prediction_score", name) if text else None
        self._hit = metrics.counter("cache_requests_total", "process", "hit")
        self._miss = metrics.counter("cache_requests_total", "process", "miss")

    def looked_up(self, tier: str) -> None:
        """Count a look-up in the process's cache; `tier` names the one that had the answer, if any."""
        (self._hit if tier == CACHE_TIERS[0] else self._miss).value += 1

    def answered(self, result: list[Any], score: list[float] | None, *, cached: str) -> None:
        """Count the rows of one answer; `cached` is empty when they were computed for it."""
        (self._cached if cached else self._computed).value += len(result)
        labels = self._labels
        if labels:
            if len(result) == 1:
                labels[result[0]].value += 1
            else:
                for label, count in Tally(result).items():
                    labels[label].value += count
        if self._score is not None:
            for value in score or ():
                self._score.observe(value)

    def refused(self, outcome: str) -> None:
        """Count one request that got no prediction: "invalid", "shed" or "failed"."""
        self._outcomes[outcome].value += 1
