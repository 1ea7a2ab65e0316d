"""Probes: alive, and ready."""

from fastapi import APIRouter
from starlette.responses import JSONResponse

from app.api.readiness import ReadinessState
from app.api.wire import Health, Readiness


def router(readiness: ReadinessState) -> APIRouter:
    routes = APIRouter(tags=["health"])

    @routes.get("/healthz")
    async def healthz() -> Health:
        """Say that the process answers; no dependency is asked."""
        return Health(status="ok")

    @routes.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness}})
    async def readyz() -> JSONResponse:
        """Say whether requests are welcome, and which dependency is down."""
        body = Readiness(ready=readiness.ready, dependencies=readiness.dependencies())
        if not readiness.ready:
            body.dependencies["process"] = readiness.reason
        return JSONResponse(body.model_dump(), 200 if readiness.ready else 503)

    return routes
