"""The Open Inference Protocol V2 in JSON: its inference request and response, as checked values.

Source: the protocol's REST specification as published by KServe (open-inference-protocol, `inference_rest.yaml`).
"""

from typing import Any

import msgspec

from app.core.errors import RequestRefused
from app.core.model import Answer, ModelInfo
from app.core.rows import UNREADABLE, unreadable, wrong_count

NUMERIC = frozenset(
    ("BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64")
)
INPUT, OUTPUT, SCORE = "input", "result", "score"


class Tensor(msgspec.Struct):
    """A request's input tensor; `data` flat or nested, in row-major order."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]
    parameters: dict[str, Any] | None = None


class OutputTensor(msgspec.Struct, omit_defaults=True):
    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class WantedOutput(msgspec.Struct):
    name: str
    parameters: dict[str, Any] | None = None


class InferRequest(msgspec.Struct):
    inputs: list[Tensor]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[WantedOutput] | None = None


class InferResponse(msgspec.Struct, omit_defaults=True):
    model_name: str
    model_version: str
    outputs: list[OutputTensor]
    id: str | None = None


class TensorFacts(msgspec.Struct):
    """A tensor of a model's metadata; -1 in `shape` is any number of rows."""

    name: str
    datatype: str
    shape: list[int]


_REQUEST = msgspec.json.Decoder(InferRequest)


def decoded(body: bytes) -> InferRequest:
    """Return the request in `body`. Raises RequestRefused."""
    try:
        return _REQUEST.decode(body)
    except UNREADABLE as error:
        raise unreadable(error) from None


def rows_of(request: InferRequest, info: ModelInfo, most: int) -> list[list[float]] | list[str]:
    """Return the rows of the request's one input tensor: shape [n, width], or [n] of BYTES for text.

    Raises RequestRefused when the tensor is not what the model takes.
    """
    if len(request.inputs) != 1:
        raise RequestRefused("wrong-shape", f"{len(request.inputs)} inputs; {info.name} takes one, {INPUT!r}")
    known = {OUTPUT, SCORE} if info.kind == "text" else {OUTPUT}
    for wanted in request.outputs or ():
        if wanted.name not in known:
            raise RequestRefused("wrong-shape", f"no output {wanted.name!r}; {info.name} has {sorted(known)}")
    tensor = request.inputs[0]
    flat = _flat(tensor.data)
    return _texts(tensor, flat, most) if info.kind == "text" else _numbers(tensor, flat, info, most)


def _flat(data: list[Any]) -> list[Any]:
    """Return `data` without its nesting, which may be two deep at most: [rows] or [rows, width]."""
    if not any(type(value) is list for value in data):
        return data
    flat: list[Any] = []
    for value in data:
        if type(value) is not list or any(type(inner) is list for inner in value):
            raise RequestRefused(
                "wrong-shape", "data is nested unevenly or deeper than its shape - at `$.inputs[0].data`"
            )
        flat.extend(value)
    return flat


def _texts(tensor: Tensor, flat: list[Any], most: int) -> list[str]:
    if tensor.datatype != "BYTES":
        raise RequestRefused("wrong-shape", f"datatype {tensor.datatype!r}; a text model takes BYTES")
    _check_shape(tensor, flat, 1 if len(tensor.shape) > 1 else None, most)
    if not all(type(value) is str for value in flat):
        raise RequestRefused("wrong-shape", "BYTES data must be strings - at `$.inputs[0].data`")
    return flat


def _numbers(tensor: Tensor, flat: list[Any], info: ModelInfo, most: int) -> list[list[float]]:
    if tensor.datatype not in NUMERIC:
        raise RequestRefused("wrong-shape", f"datatype {tensor.datatype!r}; {info.name} takes FP64 or another number")
    width = info.width
    _check_shape(tensor, flat, width, most)
    try:
        values = [_finite(value) for value in flat]
    except (TypeError, OverflowError):
        raise RequestRefused("wrong-shape", "data must be finite numbers - at `$.inputs[0].data`") from None
    return [values[start : start + width] for start in range(0, len(values), width)]


def _finite(value: object) -> float:
    if type(value) is float:
        return value
    if type(value) is int or type(value) is bool:
        return float(value)
    raise TypeError(value)


def _check_shape(tensor: Tensor, flat: list[Any], width: int | None, most: int) -> None:
    shape = tensor.shape
    want = [shape[0] if shape else 0] + ([width] if width is not None else [])
    if shape != want:
        shown = f"[n, {width}]" if width is not None else "[n]"
        raise RequestRefused("wrong-shape", f"shape {shape}; want {shown} - at `$.inputs[0].shape`")
    if not 0 < shape[0] <= most:
        raise wrong_count(shape[0], most)
    if len(flat) != shape[0] * (width or 1):
        raise RequestRefused("wrong-shape", f"shape {shape}, but data has {len(flat)} values - at `$.inputs[0].data`")


def response(request: InferRequest, info: ModelInfo, answer: Answer) -> InferResponse:
    """Return the response for an answer, with only the outputs that the request wants (all, if it names none)."""
    count = len(answer.result)
    outputs = [OutputTensor(OUTPUT, [count], output_datatype(info), list(answer.result))]
    if answer.score is not None:
        outputs.append(OutputTensor(SCORE, [count], "FP64", list(answer.score)))
    if request.outputs:
        wanted = {output.name for output in request.outputs}
        outputs = [output for output in outputs if output.name in wanted]
    return InferResponse(info.name, info.version, outputs, request.id)


def output_datatype(info: ModelInfo) -> str:
    return {"classifier": "INT64", "regressor": "FP64", "text": "BYTES"}[info.kind]


def inputs_of(info: ModelInfo) -> list[TensorFacts]:
    if info.kind == "text":
        return [TensorFacts(INPUT, "BYTES", [-1])]
    return [TensorFacts(INPUT, "FP64", [-1, info.width])]


def outputs_of(info: ModelInfo) -> list[TensorFacts]:
    outputs = [TensorFacts(OUTPUT, output_datatype(info), [-1])]
    if info.kind == "text":
        outputs.append(TensorFacts(SCORE, "FP64", [-1]))
    return outputs
