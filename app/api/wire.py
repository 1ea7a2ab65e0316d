"""Wire types of the routes that FastAPI serves, and the documentation of those that it does not."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Row = Annotated[list[float], Field(description="As many numbers as the model's input shape says.")]


class PredictBody(BaseModel):
    """Rows to predict: of numbers, or of text for a text model."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"data": [[5.1, 3.5, 1.4, 0.2]]}]})

    data: Annotated[list[Row] | list[str], Field(min_length=1)]


class PredictAnswer(BaseModel):
    """One result per row: a class index, a number or a label; text models add a score from 0 to 1."""

    result: list[int] | list[float] | list[str]
    score: list[float] | None = None


class JobBody(BaseModel):
    """Rows to predict later, and with which model."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"model": "iris", "data": [[5.1, 3.5, 1.4, 0.2]]}]}
    )

    model: str
    data: Annotated[list[Row] | list[str], Field(min_length=1)]


class JobAnswer(BaseModel):
    """A job: queued, done with one result per row, or failed with the reason."""

    id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    status: Literal["queued", "done", "failed"]
    model: str | None = None
    version: str | None = None
    result: list[int] | list[float] | list[str] | None = None
    score: list[float] | None = None
    reason: str | None = None


class FeedbackBody(BaseModel):
    """The right answer to an earlier request (`request_id`), or to one row that is sent along (`model` and `data`)."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"request_id": "5f0c8f3b4d7a4e0c9b1d2a3c4e5f6071", "label": "versicolor"},
                {"model": "sentiment", "data": ["Muy bien"], "label": "Positivo"},
            ]
        },
    )

    label: Annotated[
        int | float | str, Field(description="Class index or label name; a finite number for a regressor.")
    ]
    request_id: Annotated[
        str | None, Field(description="X-Request-ID of the prediction, of one row; the last few hundred are known.")
    ] = None
    model: str | None = None
    data: Annotated[list[Row] | list[str] | None, Field(min_length=1, max_length=1)] = None


class FeedbackAnswer(BaseModel):
    """The feedback is kept; the same Idempotency-Key has the same id."""

    id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    status: Literal["stored"]


class ModelFacts(BaseModel):
    """What is known of one version of a model."""

    name: str
    version: str
    kind: str
    input_shape: Annotated[list[int], Field(description="Of one row; empty for one string.")]
    labels: list[str]
    sha256: Annotated[str, Field(description="Digest of the artefact that is being served.")]
    accuracy: Annotated[dict[str, float], Field(description="Measured on data held out from training.")]
    trained_on: str


class ModelEntry(ModelFacts):
    """The stable version of a model, and all that are loaded."""

    canary: Annotated[str | None, Field(description="The version that is being tried on a share of the requests.")]
    traffic: Annotated[dict[str, float], Field(description="Share of the requests by version, 0 to 1.")]
    versions: list[ModelFacts]


class ModelList(BaseModel):
    models: list[ModelEntry]


class InferTensor(BaseModel):
    name: str
    shape: list[int]
    datatype: str
    data: list[Any]
    parameters: dict[str, Any] | None = None


class InferWanted(BaseModel):
    name: str
    parameters: dict[str, Any] | None = None


class InferBody(BaseModel):
    """An inference request of the Open Inference Protocol V2."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2]}]}
            ]
        }
    )

    id: str | None = None
    inputs: list[InferTensor]
    outputs: list[InferWanted] | None = None
    parameters: dict[str, Any] | None = None


class InferOutput(BaseModel):
    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class InferAnswer(BaseModel):
    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[InferOutput]


class TensorMetadata(BaseModel):
    name: str
    datatype: str
    shape: list[int]


class InferModelMetadata(BaseModel):
    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class InferServerMetadata(BaseModel):
    name: str
    version: str
    extensions: list[str]


class Live(BaseModel):
    live: bool


class Ready(BaseModel):
    ready: bool


class ModelReady(BaseModel):
    name: str
    ready: bool


class Readiness(BaseModel):
    """Whether requests are welcome, and how each dependency is; a slow cache does not make the service unready."""

    ready: bool
    dependencies: dict[str, str]


class Health(BaseModel):
    status: str


class ProblemBody(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
