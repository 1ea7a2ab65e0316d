"""Train `iris` and `diabetes`: linear models whose kernels are the fitted numbers and nothing else."""

from typing import Any, Final

import msgspec
import numpy as np
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, r2_score, root_mean_squared_error

from app.adapters.model_files import Card, describe
from app.core.kernels import LinearClassifier, LinearRegressor, LinearWeights
from app.training.data_sets import Split, split_diabetes, split_iris
from app.training.trained import Trained, indented, libraries

IRIS_SEED: Final = 1936
DIABETES_SEED: Final = 2004


def fit_iris(split: Split) -> LogisticRegression:
    return LogisticRegression(max_iter=1000).fit(split.train_rows, split.train_answers)


def fit_diabetes(split: Split) -> LinearRegression:
    return LinearRegression().fit(split.train_rows, split.train_answers)


def train_iris() -> list[Trained]:
    split = split_iris(IRIS_SEED)
    fitted = fit_iris(split)
    weights = weights_of(fitted.coef_, fitted.intercept_)
    card = Card(
        name="iris",
        version="v1",
        kind="classifier",
        format="linear-classifier",
        artefact="model.json",
        description="Multinomial logistic regression",
        input="sepal length, sepal width, petal length, petal width in cm",
        width=4,
        labels=("setosa", "versicolor", "virginica"),
        heavy=False,
        trained_on=f"scikit-learn's iris data, {len(split.train_rows)} of 150 flowers",
        split="30 % held out, stratified by class",
        seed=IRIS_SEED,
        held_out={},
        held_out_rows=len(split.held_out_rows),
        parity="",
        libraries=libraries("scikit-learn", "numpy"),
    )
    kernel = LinearClassifier(describe(card, ""), weights)
    everything = np.concatenate([split.train_rows, split.held_out_rows])
    equal = int(np.sum(np.array(kernel.predict(everything.tolist()).result) == fitted.predict(everything)))
    answers = kernel.predict(split.held_out_rows.tolist()).result
    card = msgspec.structs.replace(
        card,
        held_out={
            "accuracy": float(accuracy_score(split.held_out_answers, answers)),
            "log_loss": float(log_loss(split.held_out_answers, fitted.predict_proba(split.held_out_rows))),
        },
        parity=f"{equal} of {len(everything)} answers equal to scikit-learn's",
    )
    return [Trained(card, indented(weights))]


def train_diabetes() -> list[Trained]:
    split = split_diabetes(DIABETES_SEED)
    fitted = fit_diabetes(split)
    weights = weights_of([fitted.coef_], [fitted.intercept_])
    card = Card(
        name="diabetes",
        version="v1",
        kind="regressor",
        format="linear-regressor",
        artefact="model.json",
        description="Ordinary least squares; answers disease progression one year after baseline (25 to 346)",
        input="age, sex, bmi, bp, s1 to s6 as scikit-learn ships them: centred, scaled to unit length by column",
        width=10,
        labels=(),
        heavy=False,
        trained_on=f"scikit-learn's diabetes data, {len(split.train_rows)} of 442 patients",
        split="25 % held out",
        seed=DIABETES_SEED,
        held_out={},
        held_out_rows=len(split.held_out_rows),
        parity="",
        libraries=libraries("scikit-learn", "numpy"),
    )
    kernel = LinearRegressor(describe(card, ""), weights)
    everything = np.concatenate([split.train_rows, split.held_out_rows])
    gap = np.abs(np.array(kernel.predict(everything.tolist()).result) - fitted.predict(everything)).max()
    answers = kernel.predict(split.held_out_rows.tolist()).result
    card = msgspec.structs.replace(
        card,
        held_out={
            "r2": float(r2_score(split.held_out_answers, answers)),
            "rmse": float(root_mean_squared_error(split.held_out_answers, answers)),
            "mae": float(mean_absolute_error(split.held_out_answers, answers)),
        },
        parity=f"largest difference to scikit-learn over {len(everything)} rows: {gap:.1e}",
    )
    return [Trained(card, indented(weights))]


def weights_of(coef: Any, intercept: Any) -> LinearWeights:
    return LinearWeights(
        coef=tuple(tuple(float(value) for value in vector) for vector in coef),
        intercept=tuple(float(value) for value in intercept),
    )
