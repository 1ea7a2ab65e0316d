"""The predict routes: plain ASGI endpoints, called before any framework."""

import logging
from collections.abc import Mapping
from time import perf_counter
from typing import Any, NamedTuple

import msgspec

from app.api.exchange import JSON, ClientGone, Exchange, Headers, Receive, Scope, Send, standard_headers
from app.api.protocol import CYCLE, Cycle, send_whole
from app.core import inference_v2
from app.core.errors import RequestRefused
from app.core.model import Answer, ModelInfo
from app.core.registry import Registry, Split
from app.core.rows import number_rows, text_rows
from app.core.serving import HeavyModel, ServedModel
from app.telemetry.metrics import Metrics
from app.telemetry.model_meter import ModelMeter
from app.telemetry.request_id import request_id

_log = logging.getLogger("app.api")
_encode = msgspec.json.Encoder().encode
# Nobody receives it; it stands in metrics and log, as servers commonly write it (nginx).
_CLIENT_CLOSED_REQUEST = 499
_WHOLE = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\nx-request-id: %b\r\n"
    b"x-model-version: %b\r\nserver-timing: app;dur=%.3f\r\n\r\n%b"
)
DEFAULT_MODEL = "iris"
_OUTCOMES = {"overloaded": "shed", "internal": "failed"}


class PlainCodec:
    """`{"data": [row, ...]}` to `{"result": [...], "score": [...]}`."""

    name = b"plain:"

    def __init__(self, most_rows: int) -> None:
        self._most_rows = most_rows

    def decode(self, body: bytes, info: ModelInfo) -> tuple[None, list[Any]]:
        read = text_rows if info.kind == "text" else number_rows
        return None, read(body, info, self._most_rows)

    def encode(self, _context: None, _info: ModelInfo, answer: Answer) -> bytes:
        result = b'{"result":' + _encode(answer.result)
        return result + b"}" if answer.score is None else result + b',"score":' + _encode(answer.score) + b"}"


class InferCodec:
    """The Open Inference Protocol V2."""

    name = b"v2:"

    def __init__(self, most_rows: int) -> None:
        self._most_rows = most_rows

    def decode(self, body: bytes, info: ModelInfo) -> tuple[inference_v2.InferRequest, list[Any]]:
        request = inference_v2.decoded(body)
        return request, inference_v2.rows_of(request, info, self._most_rows)

    def encode(self, request: inference_v2.InferRequest, info: ModelInfo, answer: Answer) -> bytes:
        return _encode(inference_v2.response(request, info, answer))


class Routed(NamedTuple):
    """One version of a model with what an answer of it needs, looked up once."""

    model: ServedModel
    meter: ModelMeter
    name: str
    version: str
    version_header: bytes


class PredictEndpoint:
    """`POST` of one path: one model, one message format."""

    def __init__(
        self,
        route: str,
        split: Split[ServedModel],
        codec: PlainCodec | InferCodec,
        exchange: Exchange,
        versions: Mapping[str, Routed],
    ) -> None:
        """`route`: the template that metrics and log show."""
        self._split = split
        self._codec = codec
        self._exchange = exchange
        self._meter = exchange.meter(route)
        self._versions = versions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        exchange, routed = self._exchange, self._versions[self._split.pick().info.version]
        # Taken out of the scope, which it refers to itself: what is a cycle waits for the garbage collector.
        cycle: Cycle | None = scope.pop(CYCLE, None)
        request = request_id(scope["headers"])
        exchange.in_flight += 1
        try:
            status, headers = 200, [JSON]
            try:
                payload = await self._answer(routed, scope, receive, cycle)
            except RequestRefused as refused:
                status, payload, headers = self._refuse(refused, routed, request)
            except ClientGone:
                status, payload = _CLIENT_CLOSED_REQUEST, b""
            except Exception:
                _log.exception("request %s to %s failed", request.decode(), self._meter.route)
                failure = RequestRefused("internal", "the service failed; its log has the reason under the request id")
                status, payload, headers = self._refuse(failure, routed, request)
            seconds = perf_counter() - started
            whole = cycle if status == 200 else None
            if whole is None or not send_whole(
                whole, _WHOLE % (len(payload), request, routed.version_header, seconds * 1000, payload)
            ):
                await _send(send, status, payload, headers, request, routed.version_header, seconds)
            exchange.finish(scope, self._meter, status, seconds, request.decode(), routed.name, routed.version)
        finally:
            exchange.in_flight -= 1

    async def _answer(self, routed: Routed, scope: Scope, receive: Receive, cycle: Cycle | None) -> bytes:
        exchange = self._exchange
        if scope["method"] != "POST":
            raise RequestRefused("method-not-allowed", f"{scope['method']} here; POST is taken")
        if exchange.in_flight > exchange.max_in_flight:
            raise exchange.full()
        model, meter = routed.model, routed.meter
        if isinstance(model, HeavyModel) and (cycle is None or cycle.more_body):
            model.check_room()  # no large body is read only to be refused
        body = await self._body(scope, receive, cycle)
        if isinstance(model, HeavyModel):
            payload, tier, result, score = await model.answer(body, self._codec)
            meter.looked_up(tier)
        else:
            payload, tier, result, score = model.answer(body, self._codec)
        meter.answered(result, score, cached=tier)
        return payload

    async def _body(self, scope: Scope, receive: Receive, cycle: Cycle | None) -> bytes:
        exchange = self._exchange
        if cycle is None or cycle.more_body:
            return await exchange.late_body(scope, receive)
        # All of it has arrived with the head, as small bodies do: no timer is needed.
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        body: bytes = message["body"]
        if len(body) > exchange.max_body_bytes:
            raise exchange.too_large(len(body))
        return body

    def _refuse(self, refused: RequestRefused, routed: Routed, request: bytes) -> tuple[int, bytes, Headers]:
        routed.meter.refused(_OUTCOMES.get(refused.kind, "invalid"))
        status, payload, headers = self._exchange.refusal(refused, request)
        if refused.kind == "method-not-allowed":
            headers.append((b"allow", b"POST"))
        return status, payload, headers


async def _send(
    send: Send, status: int, payload: bytes, headers: Headers, request: bytes, version: bytes, seconds: float
) -> None:
    if status == _CLIENT_CLOSED_REQUEST:
        return
    headers.append((b"content-length", b"%d" % len(payload)))
    headers += standard_headers(request, version, seconds)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": payload})


def endpoints(
    registry: Registry[ServedModel], exchange: Exchange, metrics: Metrics, most_rows: int
) -> dict[str, PredictEndpoint]:
    """Return the predict endpoints by exact path: for each model, and for each version in the V2 protocol."""
    plain, infer = PlainCodec(most_rows), InferCodec(most_rows)
    by_path: dict[str, PredictEndpoint] = {}
    for name, split in registry.models.items():
        versions = {version: _routed(metrics, served) for version, served in split.versions.items()}

        def add(
            path: str,
            route: str,
            codec: PlainCodec | InferCodec,
            split: Split[ServedModel] = split,
            versions: Mapping[str, Routed] = versions,
        ) -> None:
            by_path[path] = PredictEndpoint(route, split, codec, exchange, versions)

        if name == DEFAULT_MODEL:
            add("/predict", "/predict", plain)
        add(f"/models/{name}/predict", "/models/{model}/predict", plain)
        add(f"/v2/models/{name}/infer", "/v2/models/{model}/infer", infer)
        for version, served in split.versions.items():
            path = f"/v2/models/{name}/versions/{version}/infer"
            add(path, "/v2/models/{model}/versions/{version}/infer", infer, Split({version: served}))
    return by_path


def _routed(metrics: Metrics, served: ServedModel) -> Routed:
    info = served.info
    meter = ModelMeter(metrics, info.name, info.version, info.labels, text=info.kind == "text")
    return Routed(served, meter, info.name, info.version, info.version.encode())
