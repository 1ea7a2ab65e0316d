"""Kernels against scikit-learn and against exact arithmetic."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes, load_iris

from app.core.errors import UnusableInput
from app.core.kernels import SCALAR_ROWS, LinearClassifier, LinearRegressor, LinearWeights
from app.core.model import ModelInfo
from app.core.sentiment import SentimentKernel, SentimentWeights, score_of
from app.core.text_features import features, opinions_of, plain
from app.training.data_sets import split_diabetes, split_iris
from app.training.linear import DIABETES_SEED, IRIS_SEED, fit_diabetes, fit_iris, weights_of

HUGE = 1e308
TINY = 5e-324


def info(name: str, kind: str, width: int, labels: tuple[str, ...] = ()) -> ModelInfo:
    return ModelInfo(
        name=name,
        version="v1",
        kind=kind,
        width=width,
        labels=labels,
        sha256="",
        heavy=False,
        accuracy={},
        trained_on="",
    )


IRIS = fit_iris(split_iris(IRIS_SEED))
IRIS_WEIGHTS = weights_of(IRIS.coef_, IRIS.intercept_)
iris = LinearClassifier(info("iris", "classifier", 4), IRIS_WEIGHTS)

DIABETES = fit_diabetes(split_diabetes(DIABETES_SEED))
diabetes = LinearRegressor(info("diabetes", "regressor", 10), weights_of([DIABETES.coef_], [DIABETES.intercept_]))


def one_by_one(rows: list[list[float]]) -> list[object]:
    return [kernel_answer for row in rows for kernel_answer in iris.predict([row]).result]


def exact_class(row: list[float]) -> int:
    """The first class of the highest score, in rational arithmetic."""
    scores = [
        sum((Fraction(c) * Fraction(x) for c, x in zip(coef, row, strict=True)), Fraction(bias))
        for coef, bias in zip(IRIS_WEIGHTS.coef, IRIS_WEIGHTS.intercept, strict=True)
    ]
    return scores.index(max(scores))


def test_iris_answers_the_documented_rows() -> None:
    assert iris.predict([[5.1, 3.5, 1.4, 0.2], [2.4, 0.1, 5.3, 4.2]]).result == [0, 2]


def test_iris_answers_as_scikit_learn_on_every_flower() -> None:
    rows = load_iris().data
    expected = IRIS.predict(rows).tolist()
    assert iris.predict(rows.tolist()).result == expected
    assert one_by_one(rows.tolist()) == expected


@pytest.mark.parametrize("scale", [1e-12, 1.0, 10.0, 1e6, 1e150])
def test_iris_answers_as_scikit_learn_on_random_rows(scale: float) -> None:
    rows = np.random.default_rng(4).normal(0.0, scale, (2000, 4))
    expected = IRIS.predict(rows).tolist()
    assert iris.predict(rows.tolist()).result == expected
    assert one_by_one(rows.tolist()) == expected


@pytest.mark.parametrize("count", [1, SCALAR_ROWS, SCALAR_ROWS + 1, 40])
def test_a_tie_goes_to_the_first_class(count: int) -> None:
    same = LinearWeights(coef=((1.0, 2.0), (1.0, 2.0), (0.0, 0.0)), intercept=(0.5, 0.5, 0.0))
    kernel = LinearClassifier(info("tie", "classifier", 2), same)
    rows = [[3.0, 4.0], [-3.0, -4.0]] * count
    assert kernel.predict(rows).result == [0, 2] * count


number = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.lists(number, min_size=4, max_size=4), min_size=1, max_size=SCALAR_ROWS + 3))
def test_iris_answers_any_finite_row_without_a_warning(rows: list[list[float]]) -> None:
    answers = iris.predict(rows).result
    assert len(answers) == len(rows)
    assert all(answer in (0, 1, 2) for answer in answers)


@pytest.mark.parametrize(
    "row",
    [
        [HUGE, HUGE, HUGE, HUGE],
        [-HUGE, -HUGE, -HUGE, -HUGE],
        [HUGE, -HUGE, HUGE, -HUGE],
        [-HUGE, HUGE, -HUGE, HUGE],
        [1.7e308, 0.0, -1.7e308, 1.0],
        [HUGE, 5.0, TINY, -HUGE],
        [TINY, TINY, TINY, TINY],
        [0.0, 0.0, 0.0, 0.0],
    ],
)
def test_rows_whose_products_overflow_get_the_exact_class(row: list[float]) -> None:
    """Rows are scaled down when a score overflows; the order of the scores stays that of exact arithmetic."""
    assert iris.predict([row]).result == [exact_class(row)]
    assert iris.predict([row] * (SCALAR_ROWS + 1)).result == [exact_class(row)] * (SCALAR_ROWS + 1)


def test_without_scaling_an_overflowing_row_has_no_class() -> None:
    """The control of the test above: plain arithmetic meets NaN there."""
    with np.errstate(over="ignore", invalid="ignore"):
        scores = np.array([[HUGE, -HUGE, HUGE, -HUGE]]) @ np.array(IRIS_WEIGHTS.coef).T * 10.0
    assert not np.isfinite(scores).all()


def test_diabetes_answers_as_scikit_learn_on_every_patient() -> None:
    rows = load_diabetes().data
    expected = DIABETES.predict(rows)
    np.testing.assert_allclose(diabetes.predict(rows.tolist()).result, expected, rtol=1e-12)
    singles = [diabetes.predict([row]).result[0] for row in rows.tolist()]
    np.testing.assert_allclose(singles, expected, rtol=1e-12)


@pytest.mark.parametrize("before", [0, SCALAR_ROWS])
@pytest.mark.parametrize("row", [[HUGE] * 10, [-HUGE] * 10, [HUGE, -HUGE] * 5])
def test_diabetes_refuses_a_row_without_a_finite_answer_by_its_number(before: int, row: list[float]) -> None:
    rows = [[0.01] * 10] * before
    with pytest.raises(UnusableInput, match=rf"diabetes: row {before} .*1e\+308.*send values"):
        diabetes.predict([*rows, row])


@given(st.lists(st.lists(number, min_size=10, max_size=10), min_size=1, max_size=SCALAR_ROWS + 3))
def test_diabetes_answers_finite_numbers_or_refuses(rows: list[list[float]]) -> None:
    try:
        answers = diabetes.predict(rows).result
    except UnusableInput:
        return
    assert all(isinstance(answer, float) and math.isfinite(answer) for answer in answers)


OPINIONS = opinions_of({"bueno": 1, "horribl*": -2, "deja_mucho_que_desear": -1, "mola": 2})
LABELS = ("Negativo", "Neutral", "Positivo")
sentiment = SentimentKernel(
    info("sentiment", "text", 0, LABELS),
    SentimentWeights(
        bias=(-1.0, -1.0),
        features={"says 1": (-3.0, 3.0), "says -2": (4.0, -4.0), "says no 1": (3.0, -3.0)},
        opinions=OPINIONS,
    ),
)


@given(st.tuples(*[st.floats(0.0, 1.0, exclude_min=True)] * 3))
def test_the_band_of_a_score_is_the_most_probable_label(odds: tuple[float, float, float]) -> None:
    negative, neutral, positive = (value / sum(odds) for value in odds)
    score = score_of(negative, neutral, positive)
    assert 0.0 <= score <= 1.0
    band = 0 if score < 0.45 else 1 if score < 0.55 else 2
    assert (negative, neutral, positive)[band] == max(negative, neutral, positive)


@pytest.mark.parametrize(
    ("probabilities", "label"),
    [
        ((1.0, 0.0, 0.0), 0),
        ((0.0, 1.0, 0.0), 1),
        ((0.0, 0.0, 1.0), 2),
        ((1 / 3, 1 / 3, 1 / 3), 1),
        ((0.5, 0.5, 0.0), 1),
        ((0.0, 0.5, 0.5), 1),
        ((0.5, 0.0, 0.5), 0),
    ],
)
def test_scores_at_the_edges_stay_in_their_band(probabilities: tuple[float, ...], label: int) -> None:
    score = score_of(*probabilities)
    assert 0.0 <= score <= 1.0
    assert (0 if score < 0.45 else 1 if score < 0.55 else 2) == label


def test_opinions_and_negations_decide() -> None:
    answer = sentiment.predict(["Muy bueno", "horrible", "no es bueno", "la mesa"])
    assert answer.result == ["Positivo", "Negativo", "Negativo", "Neutral"]
    assert answer.score is not None
    assert [0 if score < 0.45 else 1 if score < 0.55 else 2 for score in answer.score] == [2, 0, 0, 1]


def test_spelling_variants_read_as_one_word() -> None:
    assert plain("BUENÍSIMOOOO añejo pingüino ❤️") == "buenisimo añejo pinguino ❤"


def named(text: str) -> set[str]:
    return {name for _, names in features(text, OPINIONS) for name in names}


def test_a_negation_reaches_until_a_break() -> None:
    assert {"word no bueno", "says no 1"} <= named("no era bueno")
    assert {"word bueno", "says 1"} <= named("no, era bueno")


def test_what_comes_before_pero_is_conceded() -> None:
    assert {"concedes 1", "says -2"} <= named("bueno pero horrible")


def test_a_phrase_counts_as_one_opinion() -> None:
    assert "says phrase -1" in named("el sitio deja mucho que desear")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\x00\x01\x7f",
        "😀",
        "\U0001f468\u200d\U0001f469",
        "\u202eabc",
        "_" * 100,
        "1" * 20,
        "ﷺ" * 50,
        "\U0010ffff",
    ],
)
def test_any_text_has_an_answer(text: str) -> None:
    answer = sentiment.predict([text])
    assert answer.result[0] in LABELS
    assert answer.score is not None
    assert 0.0 <= answer.score[0] <= 1.0


@given(st.text())
def test_random_text_has_an_answer(text: str) -> None:
    assert sentiment.predict([text]).result[0] in LABELS


class CountingDict(dict[str, int]):
    lookups = 0

    def get(self, key: str, default: int | None = None) -> int | None:  # type: ignore[override]  # counts only
        type(self).lookups += 1
        return super().get(key, default)


@pytest.mark.parametrize("word", ["a", "no ", "bueno ", "deja mucho que ", "horripilantemente " * 3, "😀 ", "a1_"])
def test_work_grows_in_line_with_the_text(word: str) -> None:
    """Counted as look-ups, the inner step of every loop: 64 KB cost at most twice what 32 KB do."""

    def lookups(size: int) -> int:
        CountingDict.lookups = 0
        counting = opinions_of({})
        counting = type(counting)(
            words=CountingDict(OPINIONS.words),
            stems=CountingDict(OPINIONS.stems),
            phrases=CountingDict(OPINIONS.phrases),
            lengths=OPINIONS.lengths,
        )
        features((word * (size // len(word) + 1))[:size], counting)
        return CountingDict.lookups

    assert lookups(65_536) <= 2 * lookups(32_768) + 100
