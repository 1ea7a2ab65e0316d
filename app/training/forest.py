"""Train `forest`: v1 is a recipe that serving fits again, v2 the same forest in ONNX."""

from typing import Any, Final

import msgspec
import numpy as np
import onnx
import sklearn
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.metrics import accuracy_score

from app.adapters.forest import FittedForest, Recipe, digest, fit, probe_rows
from app.adapters.model_files import Card, describe
from app.adapters.onnx_kernel import OnnxClassifier
from app.core.model import Kernel
from app.training.data_sets import Split, split_wine
from app.training.trained import Trained, libraries

SEED: Final = 1991
TREES: Final = 100
OPSET: Final = {"": 17, "ai.onnx.ml": 3}


def recipe_of(split: Split) -> Recipe:
    return Recipe(trees=TREES, seed=SEED, rows=split.train_rows.tolist(), labels=split.train_answers.tolist())


def train_forest() -> list[Trained]:
    split = split_wine(SEED)
    recipe = recipe_of(split)
    fitted = fit(recipe)
    card = Card(
        name="forest",
        version="v1",
        kind="classifier",
        format="scikit-learn-forest",
        artefact="model.json",
        description=f"Random forest of {TREES} fully grown trees, scored by scikit-learn's own trees",
        input="13 chemical measurements of a wine, as scikit-learn's wine data has them (alcohol … proline)",
        width=13,
        labels=("cultivar 0", "cultivar 1", "cultivar 2"),
        heavy=True,
        trained_on=f"scikit-learn's wine data, {len(split.train_rows)} of 178 wines",
        split="30 % held out, stratified by class",
        seed=SEED,
        held_out={},
        held_out_rows=len(split.held_out_rows),
        parity="",
        libraries=libraries("scikit-learn", "numpy"),
        notes=(
            "Fitted again at start from the rows in model.json; its answers are checked against answers_sha256 there",
            "Numbers are scored as float32, as scikit-learn's trees do; larger ones count as the largest float32",
        ),
    )
    kernel = FittedForest(describe(card, ""), fitted)
    recipe = msgspec.structs.replace(recipe, answers_sha256=digest(kernel, recipe))
    graph = export(fitted)
    second = msgspec.structs.replace(
        card,
        version="v2",
        format="onnx-classifier",
        artefact="model.onnx",
        description=f"The forest of v1 ({TREES} trees) in ONNX, scored by onnxruntime",
        libraries=libraries("scikit-learn", "numpy", "skl2onnx", "onnx", "onnxruntime"),
        notes=card.notes[1:],
    )
    canary = OnnxClassifier(describe(second, ""), graph)
    return [
        Trained(_measured(card, kernel, fitted, split), msgspec.json.encode(recipe)),
        Trained(_measured(second, canary, fitted, split), graph),
    ]


def export(fitted: Any) -> bytes:
    """The forest as an ONNX graph of `rows` (batch, 13) to `label` and `votes` (batch, 3)."""
    model = to_onnx(
        fitted,
        initial_types=[("rows", FloatTensorType([None, 13]))],
        options={"zipmap": False},
        target_opset=OPSET,
        final_types=None,
    )
    _rename_outputs(model.graph, {"output_label": "label", "label": "label", "probabilities": "votes"})
    model.producer_version = sklearn.__version__
    onnx.checker.check_model(model, full_check=True)
    artefact: bytes = model.SerializeToString(deterministic=True)
    return artefact


def _rename_outputs(graph: Any, names: dict[str, str]) -> None:
    for output in graph.output:
        old, output.name = output.name, names[output.name]
        for node in graph.node:
            node.output[:] = [output.name if name == old else name for name in node.output]


def _measured(card: Card, kernel: Kernel, fitted: Any, split: Split) -> Card:
    probes = [*probe_rows(recipe_of(split)), *split.held_out_rows.tolist()]
    equal = int(np.sum(np.array(kernel.predict(probes).result) == fitted.predict(np.array(probes))))
    answers = kernel.predict(split.held_out_rows.tolist()).result
    return msgspec.structs.replace(
        card,
        held_out={"accuracy": float(accuracy_score(split.held_out_answers, answers))},
        parity=f"{equal} of {len(probes)} answers equal to RandomForestClassifier.predict",
    )
