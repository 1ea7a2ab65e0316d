"""Facts about the models that are served."""

from fastapi import APIRouter

from app.api.documented import problems
from app.api.wire import ModelEntry, ModelFacts, ModelList
from app.core.model import ModelInfo
from app.core.registry import Registry, Split
from app.core.serving import ServedModel


def router(registry: Registry[ServedModel]) -> APIRouter:
    routes = APIRouter(tags=["models"])

    @routes.get("/models")
    async def models() -> ModelList:
        """List all models: the stable version of each, and every version that is loaded."""
        return ModelList(models=[_entry(split) for split in registry.models.values()])

    @routes.get("/models/{model}", responses=problems(404))
    async def model(model: str) -> ModelEntry:
        """Tell the facts of one model."""
        return _entry(registry.model(model))

    return routes


def _entry(split: Split[ServedModel]) -> ModelEntry:
    versions = [_facts(served.info) for served in split.versions.values()]
    canary = split.canary.info.version if split.canary else None
    return ModelEntry(**_facts(split.stable.info).model_dump(), canary=canary, traffic=split.traffic, versions=versions)


def _facts(info: ModelInfo) -> ModelFacts:
    return ModelFacts(
        name=info.name,
        version=info.version,
        kind=info.kind,
        input_shape=[info.width] if info.width else [],
        labels=list(info.labels),
        sha256=info.sha256,
        accuracy=info.accuracy,
        trained_on=info.trained_on,
    )
