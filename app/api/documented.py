"""The predict routes as FastAPI documents them. They are served before FastAPI: what gets here names no known model."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.problems import KINDS
from app.api.wire import InferAnswer, InferBody, PredictAnswer, PredictBody, ProblemBody
from app.core.registry import Registry
from app.core.serving import ServedModel

_PREDICTION_PROBLEMS = (400, 404, 405, 408, 413, 422, 503)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses for error answers of these statuses."""
    titles = {status: " / ".join(kind.title for kind in KINDS.values() if kind.status == status) for status in statuses}
    schema = ProblemBody.model_json_schema()
    return {
        status: {"description": title, "content": {"application/problem+json": {"schema": schema}}}
        for status, title in titles.items()
    }


def _takes(body: type[BaseModel]) -> dict[str, Any]:
    schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def router(registry: Registry[ServedModel]) -> APIRouter:
    """Return the documentation of the predict routes; the handlers answer for models that do not exist."""
    routes = APIRouter(tags=["predict"], responses=problems(*_PREDICTION_PROBLEMS))

    @routes.post("/predict", response_model=PredictAnswer, openapi_extra=_takes(PredictBody))
    async def predict() -> None:
        """Predict with the default model (iris)."""
        registry.model("iris")

    @routes.post("/models/{model}/predict", response_model=PredictAnswer, openapi_extra=_takes(PredictBody))
    async def predict_with_model(model: str) -> None:
        """Predict with one model."""
        registry.model(model)

    @routes.post("/v2/models/{model}/infer", response_model=InferAnswer, openapi_extra=_takes(InferBody))
    async def infer(model: str) -> None:
        """Predict with one model (Open Inference Protocol V2)."""
        registry.model(model)

    @routes.post(
        "/v2/models/{model}/versions/{version}/infer", response_model=InferAnswer, openapi_extra=_takes(InferBody)
    )
    async def infer_with_version(model: str, version: str) -> None:
        """Predict with one version of a model (Open Inference Protocol V2)."""
        registry.version(model, version)

    return routes


def add_schemas(document: dict[str, Any]) -> None:
    """Put the schemas that `requestBody` refers to beside those that FastAPI found, and take out what never happens."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    # FastAPI documents its own answer to wrong path parameters; ours are strings, and cannot be wrong.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for item in document["paths"].values():
        for operation in item.values():
            if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                del operation["responses"]["422"]
    for body in (PredictBody, InferBody):
        schemas.update(body.model_json_schema(ref_template="#/components/schemas/{model}").get("$defs", {}))
