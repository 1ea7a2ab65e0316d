"""Hold one models folder against another: same metrics, same answers on held-out data."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from app.adapters.model_files import load
from app.core.model import Answer, Kernel
from app.training.catalogue import SUBJECTS

METRIC_TOLERANCE: Final = 1e-6
"""Relative; a retraining differs by rounding only."""
SCORE_TOLERANCE: Final = 1e-3
"""Absolute; of a score in 0..1."""


def differences(committed: Path, retrained: Path, names: Sequence[str]) -> Iterator[str]:
    """One line for each difference between the two folders that rounding does not explain."""
    old, new = _by_folder(committed, names), _by_folder(retrained, names)
    for folder in sorted(old.keys() ^ new.keys()):
        yield f"{folder}: {'not committed' if folder in new else 'no longer trained'}"
    for folder in sorted(old.keys() & new.keys()):
        yield from _metric_differences(folder, old[folder], new[folder])
        rows, _ = SUBJECTS[old[folder].info.name].held_out()
        yield from _answer_differences(folder, old[folder].predict(rows), new[folder].predict(rows))


def _by_folder(models_dir: Path, names: Sequence[str]) -> dict[str, Kernel]:
    kernels = [kernel for kernel in load(models_dir) if kernel.info.name in names]
    return {f"{kernel.info.name}/{kernel.info.version}": kernel for kernel in kernels}


def _metric_differences(folder: str, old: Kernel, new: Kernel) -> Iterator[str]:
    before, after = old.info.accuracy, new.info.accuracy
    for metric in sorted(before.keys() | after.keys()):
        was, now = before.get(metric, math.nan), after.get(metric, math.nan)
        if not math.isclose(was, now, rel_tol=METRIC_TOLERANCE):
            yield f"{folder}: {metric} is {now}, the card says {was}"


def _answer_differences(folder: str, old: Answer, new: Answer) -> Iterator[str]:
    unequal = [index for index, pair in enumerate(zip(old.result, new.result, strict=True)) if not _equal(*pair)]
    if unequal:
        row = unequal[0]
        yield (
            f"{folder}: {len(unequal)} of {len(old.result)} held-out answers differ, "
            f"first in row {row}: {new.result[row]!r} instead of {old.result[row]!r}"
        )
    if old.score and new.score:
        gap = max(abs(was - now) for was, now in zip(old.score, new.score, strict=True))
        if gap > SCORE_TOLERANCE:
            yield f"{folder}: a held-out score differs by {gap:.2g}"


def _equal(was: Any, now: Any) -> bool:
    if isinstance(was, float):
        return math.isclose(was, now, rel_tol=METRIC_TOLERANCE)
    return bool(was == now)
