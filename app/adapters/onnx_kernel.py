"""An ONNX classifier as a kernel: onnxruntime on one thread of the CPU, without spinning or arenas."""

from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, InvalidProtobuf

from app.core.model import Answer, ModelInfo

FLOAT32_MAX: Final = float(np.finfo(np.float32).max)
ERROR_SEVERITY: Final = 3


def as_float32(rows: list[list[float]]) -> NDArray[np.float32]:
    """Rows as float32; numbers beyond its range become the largest one (still on the same side of any threshold)."""
    wide = np.array(rows, dtype=np.float64)
    return np.clip(wide, -FLOAT32_MAX, FLOAT32_MAX, out=wide).astype(np.float32)


def open_session(artefact: bytes) -> onnxruntime.InferenceSession:
    """A session that computes on the calling thread only and gives its memory back.

    A service with one process per core gains nothing from onnxruntime's own threads: they spin on the
    cores that the other processes need. Raises `ValueError` when the bytes are no model.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = False
    options.log_severity_level = ERROR_SEVERITY
    try:
        return onnxruntime.InferenceSession(artefact, options, providers=["CPUExecutionProvider"])
    except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf) as error:
        raise ValueError(str(error)) from error


class OnnxClassifier:
    """Answers the graph's output `label`, for its input `rows` of shape (batch, width)."""

    __slots__ = ("_run", "info")

    def __init__(self, info: ModelInfo, artefact: bytes) -> None:
        self.info: Final = info
        self._run: Final = open_session(artefact).run

    def predict(self, rows: list[list[float]]) -> Answer:
        (labels,) = self._run(("label",), {"rows": as_float32(rows)})
        return Answer(labels.tolist())
