"""The ASGI application: predict and job routes by path, everything else through FastAPI, all of it observed."""

import logging
from collections.abc import Awaitable, Mapping
from http import HTTPStatus
from time import perf_counter

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.api import documented, health, models, open_inference, page
from app.api.acceptance import Acceptance
from app.api.exchange import NO_VERSION, App, Exchange, Message, Receive, RouteMeter, Scope, Send, standard_headers
from app.api.feedback import GiveFeedback
from app.api.jobs import PREFIX, ShowJob, SubmitJob
from app.api.predict import PredictPaths
from app.api.problems import CONTENT_TYPE, kind_of_status, problem
from app.api.protocol import CYCLE
from app.api.readiness import ReadinessState
from app.bootstrap import Services
from app.core.errors import RequestRefused, UnknownModel
from app.telemetry.request_id import new_request_id, request_id

_log = logging.getLogger("app.api")


class Observed:
    """ASGI middleware for the framework's routes: request id, standard headers, counters, log record."""

    def __init__(self, app: App, exchange: Exchange) -> None:
        self._app = app
        self._exchange = exchange
        self._meters: dict[str, RouteMeter] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        request = request_id(scope["headers"])
        scope.pop(CYCLE, None)
        # HEAD is GET without the body, which the server leaves out by itself (RFC 9110, 9.3.2).
        routed = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        routed["lab.request_id"] = request
        status = 0

        async def send_observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                extra = standard_headers(request, NO_VERSION.encode(), perf_counter() - started)
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        self._exchange.in_flight += 1
        try:
            await self._app(routed, receive, send_observed)
        except Exception:
            _log.exception("request to %s failed", scope["path"][:256], extra={"request_id": request.decode()})
            if not status:
                response = _problem_response(request, "internal", "the service failed; its log has the reason")
                await response(scope, receive, send_observed)
        finally:
            self._exchange.in_flight -= 1
        self._exchange.finish(scope, self._meter(routed), status, perf_counter() - started, request.decode())

    def _meter(self, scope: Scope) -> RouteMeter:
        """Return the meter of the route template that matched; all that match none are one."""
        template = getattr(scope.get("route"), "path", None)
        if template is None:
            return self._exchange.unmatched
        meter = self._meters.get(template)
        if meter is None:
            meter = self._meters[template] = self._exchange.meter(template)
        return meter


class Application:
    """Dispatches by exact path: a predict endpoint if there is one, else a keyed one, else the framework."""

    def __init__(self, by_path: Mapping[str, App], keyed: "KeyedPaths", framework: App, exchange: Exchange) -> None:
        self._find = by_path.get
        self._find_keyed = keyed.get
        self._framework = framework
        self._exchange = exchange

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        path = scope["path"]
        endpoint = self._find(path) or self._find_keyed(path) or self._framework
        return endpoint(scope, receive, send)

    def refuse_head(self, kind: str, detail: str) -> bytes:
        """Count and log a request whose head cannot be read; return the whole answer to it."""
        request = new_request_id()
        status, body = problem(kind, detail, request)
        headers = [(b"content-type", CONTENT_TYPE), (b"content-length", b"%d" % len(body))]
        headers += [*standard_headers(request, NO_VERSION.encode(), 0.0), (b"connection", b"close")]
        lines = [b"HTTP/1.1 %d %b" % (status, HTTPStatus(status).phrase.encode())]
        lines += [b"%b: %b" % header for header in headers]
        self._exchange.finish({"method": "", "path": "-"}, self._exchange.unmatched, status, 0.0, request.decode())
        return b"\r\n".join(lines) + b"\r\n\r\n" + body


class KeyedPaths:
    """The endpoints for clients with an API key: by exact path, and the jobs, whose ids are a part of the path."""

    def __init__(self, services: Services, exchange: Exchange) -> None:
        settings, keys = services.settings, services.keys
        acceptance = Acceptance(services.job_store, services.message_log, settings.kafka_deadline)
        submit = SubmitJob(exchange, keys, services.registry, acceptance, services.metrics, settings.max_rows)
        feedback = GiveFeedback(exchange, keys, services.registry, acceptance, services.recent, services.recall)
        self._by_path: dict[str, App] = {"/jobs": submit, "/feedback": feedback}
        self._job = ShowJob(exchange, keys, services.job_store)

    def get(self, path: str) -> App | None:
        """Return what answers at this path, if it is one of these endpoints."""
        found = self._by_path.get(path)
        if found is None and path.startswith(PREFIX) and "/" not in path[len(PREFIX) :]:
            return self._job
        return found


def create(services: Services) -> tuple[Application, ReadinessState]:
    """Return the application of one api process, and the switch of its readiness."""
    settings = services.settings
    exchange = Exchange(
        services.metrics,
        services.access_log,
        replica=settings.replica,
        max_in_flight=settings.max_in_flight,
        max_body_bytes=settings.max_body_bytes,
        body_timeout=settings.body_timeout,
        metered=settings.metrics,
    )
    readiness = ReadinessState(services.shared_cache, services.message_log, services.job_store)
    framework = framework_app(services, readiness)
    exchange.declare(framework.openapi()["paths"])
    paths = PredictPaths(services.registry, exchange, services.metrics, settings.max_rows, services.recent)
    services.deployments.tell(paths)
    keyed = KeyedPaths(services, exchange)
    return Application(paths.by_path, keyed, Observed(framework, exchange), exchange), readiness


def framework_app(services: Services, readiness: ReadinessState) -> FastAPI:
    """Return the FastAPI application: everything but the predict routes, which it only documents."""
    app = FastAPI(
        title="Observability lab: prediction service",
        version="1",
        docs_url=None,  # its pages load their script from elsewhere; a lab works offline
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            HTTPException: _http_error,
            RequestValidationError: _invalid,
            RequestRefused: _refused,
            UnknownModel: _unknown_model,
        },
    )
    for router in (
        documented.router(services.registry),
        documented.keyed_router(),
        models.router(services.registry),
        open_inference.router(services.registry, readiness),
        health.router(readiness),
        page.router(),
    ):
        app.include_router(router)
    documented.add_schemas(app.openapi())
    return app


def _problem_response(request: bytes, kind: str, detail: str, headers: dict[str, str] | None = None) -> Response:
    status, body = problem(kind, detail, request)
    return Response(body, status, headers, CONTENT_TYPE.decode())


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = f"{request.method} {request.url.path[:256]}: {error.detail}"
    headers = dict(error.headers) if error.headers else None
    return _problem_response(request.scope["lab.request_id"], kind_of_status(error.status_code), detail, headers)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _problem_response(request.scope["lab.request_id"], "wrong-shape", str(error.errors()))


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestRefused)
    return _problem_response(request.scope["lab.request_id"], error.kind, error.detail)


async def _unknown_model(request: Request, error: Exception) -> Response:
    return _problem_response(request.scope["lab.request_id"], "unknown-model", str(error))
