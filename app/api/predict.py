"""The predict routes: plain ASGI endpoints, called before any framework."""

import logging
from collections.abc import Mapping
from time import perf_counter
from typing import Any, NamedTuple

import msgspec

from app.api.exchange import (
    CLIENT_CLOSED_REQUEST,
    JSON,
    ClientGone,
    Exchange,
    Headers,
    Receive,
    Scope,
    Send,
    send_answer,
)
from app.api.protocol import CYCLE, Cycle, send_whole
from app.core import inference_v2
from app.core.errors import RequestRefused
from app.core.model import Answer, ModelInfo
from app.core.recent import Recent
from app.core.registry import Registry, Split
from app.core.rows import number_rows, text_rows
from app.core.serving import HeavyModel, ServedModel
from app.telemetry.metrics import Metrics
from app.telemetry.model_meter import ModelMeter
from app.telemetry.request_id import request_id

_log = logging.getLogger("app.api")
_encode = msgspec.json.Encoder().encode
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
        path: str,
        route: str,
        split: Split[ServedModel],
        codec: PlainCodec | InferCodec,
        exchange: Exchange,
        versions: Mapping[str, Routed],
        recent: Recent,
    ) -> None:
        """`route`: the template that metrics and log show."""
        self._path = path
        self._split = split
        self._codec = codec
        self._exchange = exchange
        self._meter = exchange.meter(route)
        self._versions = versions
        self._lines: dict[str, bytes] = {}
        self._remember = recent.remember

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
                payload = await self._answer(routed, scope, receive, cycle, request)
            except RequestRefused as refused:
                status, payload, headers = self._refuse(refused, routed, request)
            except ClientGone:
                status, payload = CLIENT_CLOSED_REQUEST, b""
            except Exception:
                _log.exception("request to %s failed", self._meter.route, extra={"request_id": request.decode()})
                failure = RequestRefused("internal", "the service failed; its log has the reason under the request id")
                status, payload, headers = self._refuse(failure, routed, request)
            seconds = perf_counter() - started
            whole = cycle if status == 200 else None
            if whole is None or not send_whole(
                whole, _WHOLE % (len(payload), request, routed.version_header, seconds * 1000, payload)
            ):
                await send_answer(send, status, payload, headers, request, routed.version_header, seconds)
            if status == 200:
                exchange.finish_predicted(self._meter, seconds, request, self._line(routed))
            else:
                exchange.finish(scope, self._meter, status, seconds, request.decode(), routed.name, routed.version)
        finally:
            exchange.in_flight -= 1

    def _line(self, routed: Routed) -> bytes:
        """Return the log line of this path's predictions by a version, made once."""
        line = self._lines.get(routed.version)
        if line is None:
            line = self._exchange.predicted_line(self._meter.route, self._path, routed.name, routed.version)
            self._lines[routed.version] = line
        return line

    async def _answer(
        self, routed: Routed, scope: Scope, receive: Receive, cycle: Cycle | None, request: bytes
    ) -> bytes:
        exchange = self._exchange
        if scope["method"] != "POST":
            raise RequestRefused("method-not-allowed", f"{scope['method']} here; POST is taken")
        if exchange.in_flight > exchange.max_in_flight:
            raise exchange.full(exchange.in_flight)
        model, meter = routed.model, routed.meter
        if isinstance(model, HeavyModel) and (cycle is None or cycle.more_body):
            model.check_room()  # no large body is read only to be refused
        body = await exchange.body(scope, receive, cycle)
        if isinstance(model, HeavyModel):
            payload, tier, result, score = await model.answer(body, self._codec)
            meter.looked_up(tier)
        else:
            payload, tier, result, score = model.answer(body, self._codec)
        meter.answered(result, score, cached=tier)
        self._remember(request, model.info, self._codec, body, result)
        return payload

    def _refuse(self, refused: RequestRefused, routed: Routed, request: bytes) -> tuple[int, bytes, Headers]:
        routed.meter.refused(_OUTCOMES.get(refused.kind, "invalid"))
        status, payload, headers = self._exchange.refusal(refused, request)
        if refused.kind == "method-not-allowed":
            headers.append((b"allow", b"POST"))
        return status, payload, headers


class PredictPaths:
    """The predict endpoints by exact path: for each model, and for each of its versions in the V2 protocol."""

    def __init__(
        self, registry: Registry[ServedModel], exchange: Exchange, metrics: Metrics, most_rows: int, recent: Recent
    ) -> None:
        self.by_path: dict[str, PredictEndpoint] = {}
        self._registry = registry
        self._exchange = exchange
        self._metrics = metrics
        self._recent = recent
        self._plain, self._infer = PlainCodec(most_rows), InferCodec(most_rows)
        self._versions: dict[str, dict[str, Routed]] = {}

    def added(self, served: ServedModel) -> None:
        """Answer for a version, from now on."""
        name, version = served.info.name, served.info.version
        routed = _routed(self._metrics, served)
        if name not in self._versions:
            self._versions[name] = {}
            self._add_model(name)
        self._versions[name][version] = routed
        only = Split({version: served})
        route = "/v2/models/{model}/versions/{version}/infer"
        path = _path_of_version(name, version)
        self.by_path[path] = PredictEndpoint(
            path, route, only, self._infer, self._exchange, {version: routed}, self._recent
        )

    def dropped(self, served: ServedModel) -> None:
        """Answer for a version no more; who has it in hand finishes."""
        name, version = served.info.name, served.info.version
        del self.by_path[_path_of_version(name, version)]
        del self._versions[name][version]

    def _add_model(self, name: str) -> None:
        def add(path: str, route: str, codec: PlainCodec | InferCodec) -> None:
            split, versions = self._registry.model(name), self._versions[name]
            self.by_path[path] = PredictEndpoint(path, route, split, codec, self._exchange, versions, self._recent)

        if name == DEFAULT_MODEL:
            add("/predict", "/predict", self._plain)
        add(f"/models/{name}/predict", "/models/{model}/predict", self._plain)
        add(f"/v2/models/{name}/infer", "/v2/models/{model}/infer", self._infer)


def _path_of_version(name: str, version: str) -> str:
    return f"/v2/models/{name}/versions/{version}/infer"


def _routed(metrics: Metrics, served: ServedModel) -> Routed:
    info = served.info
    meter = ModelMeter(metrics, info.name, info.version, info.labels, text=info.kind == "text")
    return Routed(served, meter, info.name, info.version, info.version.encode())
