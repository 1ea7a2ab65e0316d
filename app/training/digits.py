"""Train `digits`: a small convolutional network, fitted with JAX and written as an ONNX graph node by node.

The fit computes in float64: rounding differences between machines then stay far below what could change an
answer, so that a retraining can be held against the committed artefact. The artefact carries float32.
"""

from functools import partial
from typing import Any, Final

import jax
import jax.numpy as jnp
import msgspec
import numpy as np
import onnx
import optax
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.metrics import accuracy_score

from app.adapters.model_files import Card, describe
from app.adapters.onnx_kernel import OnnxClassifier, open_session
from app.training.data_sets import Split, split_digits
from app.training.trained import Trained, libraries

SEED: Final = 1998
EPOCHS: Final = 40
BATCH: Final = 64
LEARNING_RATE: Final = 3e-3
BRIGHTEST: Final = 16.0
OPSET: Final = 17

Weights = dict[str, Any]
Shapes: Final = {
    "conv1": (16, 1, 3, 3),
    "conv2": (32, 16, 3, 3),
    "dense1": (64, 32 * 4 * 4),
    "dense2": (10, 64),
}


def initial_weights(generator: np.random.Generator) -> Weights:
    """Gaussian kernels scaled by fan-in (He et al. 2015), biases zero."""
    weights: Weights = {}
    for name, shape in Shapes.items():
        fan_in = int(np.prod(shape[1:]))
        weights[name] = jnp.asarray(generator.normal(0.0, np.sqrt(2.0 / fan_in), shape))
        weights[f"{name}_bias"] = jnp.zeros(shape[0])
    return weights


def logits(weights: Weights, rows: Any) -> Any:
    """Class scores, shape (batch, 10), of `rows` (batch, 64) with pixels 0..16."""
    images = jnp.clip(rows, 0.0, BRIGHTEST).reshape(-1, 1, 8, 8) / BRIGHTEST
    hidden = jax.lax.conv_general_dilated(images, weights["conv1"], (1, 1), ((1, 1), (1, 1)))
    hidden = jax.nn.relu(hidden + weights["conv1_bias"][:, None, None])
    hidden = jax.lax.conv_general_dilated(hidden, weights["conv2"], (2, 2), ((1, 1), (1, 1)))
    hidden = jax.nn.relu(hidden + weights["conv2_bias"][:, None, None])
    hidden = hidden.reshape(len(images), -1) @ weights["dense1"].T + weights["dense1_bias"]
    return jax.nn.relu(hidden) @ weights["dense2"].T + weights["dense2_bias"]


def shifted(rows: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """Each image moved by up to one pixel to any side: the network learns strokes, not places."""
    padded = np.pad(rows.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    down, right = generator.integers(0, 3, (2, len(rows)))
    images = [image[y : y + 8, x : x + 8] for image, y, x in zip(padded, down, right, strict=True)]
    return np.array(images).reshape(-1, 64)


def fit(split: Split) -> Weights:
    """Weights in float64, by Adam with a cosine decay and weight decay, on shifted images."""
    with jax.enable_x64(True):
        generator = np.random.default_rng(SEED)
        weights = initial_weights(generator)
        count = len(split.train_rows)
        steps = EPOCHS * (count // BATCH)
        optimizer = optax.adamw(optax.cosine_decay_schedule(LEARNING_RATE, steps), weight_decay=1e-3)
        state = optimizer.init(weights)

        @partial(jax.jit, donate_argnums=(0, 1))
        def step(weights: Weights, state: Any, rows: Any, labels: Any) -> tuple[Weights, Any]:
            def loss(weights: Weights) -> Any:
                return optax.softmax_cross_entropy_with_integer_labels(logits(weights, rows), labels).mean()

            updates, state = optimizer.update(jax.grad(loss)(weights), state, weights)
            return optax.apply_updates(weights, updates), state

        for _ in range(EPOCHS):
            order = generator.permutation(count)
            rows = shifted(split.train_rows, generator)[order]
            labels = split.train_answers[order]
            for start in range(0, count - BATCH + 1, BATCH):
                batch = slice(start, start + BATCH)
                weights, state = step(weights, state, rows[batch], labels[batch])
        return {name: np.asarray(value) for name, value in weights.items()}


def export(weights: Weights) -> bytes:
    """An ONNX graph of `rows` (batch, 64) to `label` (batch,) and `logits` (batch, 10)."""
    stored = {name: np.asarray(value, dtype=np.float32) for name, value in weights.items()}
    stored["conv1"] = (np.asarray(weights["conv1"]) / BRIGHTEST).astype(np.float32)
    stored["darkest"] = np.array(0.0, dtype=np.float32)
    stored["brightest"] = np.array(BRIGHTEST, dtype=np.float32)
    constants = [numpy_helper.from_array(value, name) for name, value in stored.items()]
    constants.append(numpy_helper.from_array(np.array([-1, 1, 8, 8], dtype=np.int64), "image_shape"))
    nodes = [
        helper.make_node("Clip", ["rows", "darkest", "brightest"], ["pixels"]),
        helper.make_node("Reshape", ["pixels", "image_shape"], ["images"]),
        helper.make_node("Conv", ["images", "conv1", "conv1_bias"], ["h1"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["h1"], ["a1"]),
        helper.make_node("Conv", ["a1", "conv2", "conv2_bias"], ["h2"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["h2"], ["a2"]),
        helper.make_node("Flatten", ["a2"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense1", "dense1_bias"], ["h3"], transB=1),
        helper.make_node("Relu", ["h3"], ["a3"]),
        helper.make_node("Gemm", ["a3", "dense2", "dense2_bias"], ["logits"], transB=1),
        helper.make_node("ArgMax", ["logits"], ["label"], axis=1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["batch", 64])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"]),
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10]),
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    artefact: bytes = model.SerializeToString(deterministic=True)
    return artefact


def reference_logits(weights: Weights, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the fitted network answers in JAX and float64, shape (batch, 10)."""
    with jax.enable_x64(True):
        return np.asarray(logits({name: jnp.asarray(value) for name, value in weights.items()}, jnp.asarray(rows)))


def train_digits() -> list[Trained]:
    split = split_digits(SEED)
    weights = fit(split)
    artefact = export(weights)
    card = Card(
        name="digits",
        version="v1",
        kind="classifier",
        format="onnx-classifier",
        artefact="model.onnx",
        description="Convolutional network: conv 3x3x16, conv 3x3x32 stride 2, dense 64, dense 10, ReLU between",
        input="64 pixels of an 8x8 image, row by row, 0 (dark) to 16 (bright); values outside are clipped",
        width=64,
        labels=tuple("0123456789"),
        heavy=False,
        trained_on=f"scikit-learn's digits data, {len(split.train_rows)} of 1797 images",
        split="25 % held out, stratified by class",
        seed=SEED,
        held_out={},
        held_out_rows=len(split.held_out_rows),
        parity="",
        libraries=libraries("jax", "optax", "numpy", "onnx", "onnxruntime"),
        notes=(f"{EPOCHS} epochs of AdamW in float64, images shifted by up to one pixel; served in float32",),
    )
    kernel = OnnxClassifier(describe(card, ""), artefact)
    answers = kernel.predict(split.held_out_rows.tolist()).result
    expected = reference_logits(weights, split.held_out_rows)
    (served,) = open_session(artefact).run(("logits",), {"rows": split.held_out_rows.astype(np.float32)})
    equal = int(np.sum(np.array(answers) == expected.argmax(axis=1)))
    card = msgspec.structs.replace(
        card,
        held_out={"accuracy": float(accuracy_score(split.held_out_answers, answers))},
        parity=f"{equal} of {len(answers)} answers equal to JAX in float64; "
        f"largest difference of a logit: {np.abs(served - expected).max():.1e}",
    )
    return [Trained(card, artefact)]
