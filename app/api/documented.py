"""The predict and job routes as FastAPI documents them. They are served before it, but for models that nobody knows."""

from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.problems import KINDS
from app.api.wire import (
    FeedbackAnswer,
    FeedbackBody,
    InferAnswer,
    InferBody,
    JobAnswer,
    JobBody,
    PredictAnswer,
    PredictBody,
    ProblemBody,
)
from app.core.registry import Registry
from app.core.serving import ServedModel

_PREDICTION_PROBLEMS = (400, 404, 405, 408, 413, 422, 503)
KEYED_PROBLEMS: Final = (400, 401, 404, 405, 408, 413, 422, 429, 503)
# OpenAPI's words for what keyed endpoints want and give.
_KEY: Final[dict[str, Any]] = {"ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}
NEEDS_KEY: Final[dict[str, Any]] = {"security": [{"ApiKey": []}]}
TAKES_IDEMPOTENCY_KEY: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "Requests with the same key and body are one; with another body they are refused.",
            "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        }
    ]
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses for error answers of these statuses."""
    titles = {status: " / ".join(kind.title for kind in KINDS.values() if kind.status == status) for status in statuses}
    schema = ProblemBody.model_json_schema()
    return {
        status: {"description": title, "content": {"application/problem+json": {"schema": schema}}}
        for status, title in titles.items()
    }


def takes(body: type[BaseModel]) -> dict[str, Any]:
    schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def router(registry: Registry[ServedModel]) -> APIRouter:
    """Return the documentation of the predict routes; the handlers answer for models that do not exist."""
    routes = APIRouter(tags=["predict"], responses=problems(*_PREDICTION_PROBLEMS))

    @routes.post("/predict", response_model=PredictAnswer, openapi_extra=takes(PredictBody))
    async def predict() -> None:
        """Predict with the default model (iris)."""
        registry.model("iris")

    @routes.post("/models/{model}/predict", response_model=PredictAnswer, openapi_extra=takes(PredictBody))
    async def predict_with_model(model: str) -> None:
        """Predict with one model."""
        registry.model(model)

    @routes.post("/v2/models/{model}/infer", response_model=InferAnswer, openapi_extra=takes(InferBody))
    async def infer(model: str) -> None:
        """Predict with one model (Open Inference Protocol V2)."""
        registry.model(model)

    @routes.post(
        "/v2/models/{model}/versions/{version}/infer", response_model=InferAnswer, openapi_extra=takes(InferBody)
    )
    async def infer_with_version(model: str, version: str) -> None:
        """Predict with one version of a model (Open Inference Protocol V2)."""
        registry.version(model, version)

    return routes


def keyed_router() -> APIRouter:
    """Return the documentation of the routes for clients with an API key; no request gets here."""
    routes = APIRouter(tags=["jobs"])
    submitting = {**takes(JobBody), **NEEDS_KEY, **TAKES_IDEMPOTENCY_KEY}
    location = {"Location": {"description": "Where the job is shown.", "schema": {"type": "string"}}}

    @routes.post(
        "/jobs",
        status_code=202,
        response_model=JobAnswer,
        response_model_exclude_unset=True,
        responses={**problems(*KEYED_PROBLEMS), 202: {"headers": location}},
        openapi_extra=submitting,
    )
    async def submit_job() -> None:
        """Hand in rows to be predicted by a worker; accepted once all in-sync replicas of the queue have them."""

    @routes.get(
        "/jobs/{id}",
        response_model=JobAnswer,
        response_model_exclude_unset=True,
        responses=problems(401, 404, 405, 503),
        openapi_extra=NEEDS_KEY,
    )
    async def show_job(id: str) -> None:  # noqa: A002  (the name in the path)
        """Show a job of one's own, with its result once a worker has answered it."""

    @routes.post(
        "/feedback",
        tags=["feedback"],
        status_code=201,
        response_model=FeedbackAnswer,
        responses=problems(*KEYED_PROBLEMS),
        openapi_extra={**takes(FeedbackBody), **NEEDS_KEY, **TAKES_IDEMPOTENCY_KEY},
    )
    async def give_feedback() -> None:
        """Say what a prediction should have been; kept once all in-sync replicas of the queue have it."""

    return routes


def add_schemas(document: dict[str, Any]) -> None:
    """Put the schemas that `requestBody` refers to beside those that FastAPI found, and take out what never happens."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    document["components"]["securitySchemes"] = _KEY
    # FastAPI documents its own answer to wrong path parameters; ours are strings, and cannot be wrong.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for item in document["paths"].values():
        for operation in item.values():
            if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                del operation["responses"]["422"]
    for body in (PredictBody, InferBody, JobBody, FeedbackBody):
        schemas.update(body.model_json_schema(ref_template="#/components/schemas/{model}").get("$defs", {}))
