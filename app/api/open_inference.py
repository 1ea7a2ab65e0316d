"""The Open Inference Protocol V2 but for inference itself: health and metadata."""

from importlib.metadata import version as distribution_version

from fastapi import APIRouter

from app.api.documented import problems
from app.api.readiness import ReadinessState
from app.api.wire import InferModelMetadata, InferServerMetadata, Live, ModelReady, Ready, TensorMetadata
from app.core import inference_v2
from app.core.errors import RequestRefused
from app.core.registry import Registry
from app.core.serving import ServedModel


def router(registry: Registry[ServedModel], readiness: ReadinessState) -> APIRouter:
    routes = APIRouter(prefix="/v2", tags=["open inference protocol"])
    server = InferServerMetadata(
        name="observability-lab", version=distribution_version("observability-lab"), extensions=[]
    )

    def metadata(served: ServedModel, versions: list[str]) -> InferModelMetadata:
        return InferModelMetadata(
            name=served.info.name,
            versions=versions,
            platform=f"lab_{served.info.kind}",
            inputs=[_tensor(facts) for facts in inference_v2.inputs_of(served.info)],
            outputs=[_tensor(facts) for facts in inference_v2.outputs_of(served.info)],
        )

    @routes.get("")
    async def server_metadata() -> InferServerMetadata:
        return server

    @routes.get("/health/live")
    async def live() -> Live:
        return Live(live=True)

    @routes.get("/health/ready", responses=problems(503))
    async def ready() -> Ready:
        if not readiness.ready:
            raise RequestRefused("not-ready", readiness.reason)
        return Ready(ready=True)

    @routes.get("/models/{model}", responses=problems(404))
    async def model_metadata(model: str) -> InferModelMetadata:
        split = registry.model(model)
        return metadata(split.stable, list(split.versions))

    @routes.get("/models/{model}/ready", responses=problems(404))
    async def model_ready(model: str) -> ModelReady:
        return ModelReady(name=registry.model(model).stable.info.name, ready=True)

    @routes.get("/models/{model}/versions/{version}", responses=problems(404))
    async def version_metadata(model: str, version: str) -> InferModelMetadata:
        return metadata(registry.version(model, version), [version])

    @routes.get("/models/{model}/versions/{version}/ready", responses=problems(404))
    async def version_ready(model: str, version: str) -> ModelReady:
        return ModelReady(name=registry.version(model, version).info.name, ready=True)

    return routes


def _tensor(facts: inference_v2.TensorFacts) -> TensorMetadata:
    return TensorMetadata(name=facts.name, datatype=facts.datatype, shape=facts.shape)
