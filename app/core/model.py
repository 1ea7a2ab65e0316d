"""What a model is to the rest of the service: facts about it, and one call that answers rows."""

from typing import Protocol

import msgspec


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about one version of a model, as `GET /models` tells them."""

    name: str
    version: str
    """"v1", "v2", ..."""
    kind: str
    """"classifier", "regressor" or "text"."""
    width: int
    """Numbers per row; 0 for text."""
    labels: tuple[str, ...]
    """Display names of the classes; empty for a regressor."""
    sha256: str
    """Digest of the artefact that was loaded."""
    heavy: bool
    """A call takes over about 50 µs: answer it in micro-batches in the worker thread."""
    accuracy: dict[str, float]
    """Metrics measured on held-out data, such as `{"accuracy": 0.97}` or `{"r2": 0.45, "rmse": 54.0}`."""
    trained_on: str


class Answer(msgspec.Struct, frozen=True):
    """One result per row, in the order of the rows, and a score per row where the model has one."""

    result: list[int] | list[float] | list[str]
    score: list[float] | None = None


class Kernel(Protocol):
    """A loaded model.

    `predict` takes rows which are already checked: at least one, each `info.width` finite floats (text
    kernels: strings). It raises `UnusableInput` when an answer cannot be a finite number. It keeps no
    state between calls and may be called from any thread.
    """

    @property
    def info(self) -> ModelInfo: ...

    def predict(self, rows: list[list[float]]) -> Answer: ...


class TextKernel(Protocol):
    """A loaded model that reads strings instead of rows of numbers."""

    @property
    def info(self) -> ModelInfo: ...

    def predict(self, rows: list[str]) -> Answer: ...
