"""The forest as scikit-learn itself: fitted at start from the rows in its artefact, checked by a digest of its answers.

scikit-learn is imported when the forest is fitted, not with this module: a process that serves no forest of
this kind does not pay its 110 MB.
"""

import hashlib
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.adapters.onnx_kernel import as_float32
from app.core.errors import ForestChanged
from app.core.model import Answer, ModelInfo

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides what the forest answers, and a digest of what it answered when it was trained."""

    trees: int
    seed: int
    rows: list[list[float]]
    labels: list[int]
    answers_sha256: str = ""


def fit(recipe: Recipe) -> "RandomForestClassifier":
    """Fully grown trees, so that each votes 0 or 1: sums of votes are exact on every machine."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(n_estimators=recipe.trees, random_state=recipe.seed, n_jobs=1)
    return forest.fit(np.array(recipe.rows), np.array(recipe.labels))


class FittedForest:
    """Scores a batch with scikit-learn's compiled trees, called one after the other.

    `RandomForestClassifier.predict` spends 5 ms a call on dispatching a job per tree through joblib and on
    input checks; its trees take 0.3 ms. The answer is the same: float32 input, votes added up, first class on a tie.
    """

    __slots__ = ("_trees", "info")

    def __init__(self, info: ModelInfo, forest: "RandomForestClassifier") -> None:
        self.info: Final = info
        self._trees: Final[list[Any]] = [estimator.tree_ for estimator in forest.estimators_]

    def votes(self, rows: list[list[float]]) -> NDArray[np.float64]:
        """Votes by class, shape (batch, classes)."""
        values = as_float32(rows)
        total: NDArray[np.float64] = self._trees[0].predict(values)
        for tree in self._trees[1:]:
            total += tree.predict(values)
        return total

    def predict(self, rows: list[list[float]]) -> Answer:
        labels: list[int] = self.votes(rows).argmax(axis=1).tolist()
        return Answer(labels)


def probe_rows(recipe: Recipe) -> list[list[float]]:
    """The inputs whose answers are digested: the training rows, and the middle between each two neighbours."""
    rows = np.array(recipe.rows)
    probes: list[list[float]] = np.concatenate([rows, (rows[1:] + rows[:-1]) / 2]).tolist()
    return probes


def digest(forest: FittedForest, recipe: Recipe) -> str:
    """sha256 over label and whole votes by class for each probe: no rounding error of a machine can change it."""
    probes = probe_rows(recipe)
    votes = np.rint(forest.votes(probes)).astype(int).tolist()
    labels = forest.predict(probes).result
    return hashlib.sha256(msgspec.json.encode([labels, votes])).hexdigest()


def load_forest(info: ModelInfo, recipe: Recipe, file_name: str) -> FittedForest:
    """Fit the forest that `recipe` describes. Raises `ForestChanged` when it answers differently from then."""
    import sklearn

    kernel = FittedForest(info, fit(recipe))
    answers = digest(kernel, recipe)
    if answers != recipe.answers_sha256:
        raise ForestChanged(
            f"{file_name}: the forest fitted by scikit-learn {sklearn.__version__} answers differently from the one "
            f"trained (digest {answers[:12]}…, expected {recipe.answers_sha256[:12]}…); "
            "install the locked scikit-learn or run: make train"
        )
    return kernel
