"""The OpenAPI document and the service say the same."""

import json
import re

import jsonschema_rs
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.api.application import KeyedPaths, framework_app
from app.api.exchange import Exchange
from app.api.predict import PredictPaths
from app.api.readiness import ReadinessState
from tests.asgi import exchange
from tests.fake_models import kernels
from tests.job_service import KEYS
from tests.sample_rows import ROWS, tensor

KEYED = ("/jobs", "/jobs/{id}", "/feedback")


def pattern(template):
    return re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))).fullmatch


@pytest.fixture
async def both(built):
    """The document, the paths of the fast path, and the framework's application."""
    services = await built(kernels())
    shared = Exchange(
        services.metrics, services.access_log, replica="a", max_in_flight=1, max_body_bytes=1, body_timeout=1
    )
    paths = PredictPaths(services.registry, shared, services.metrics, 8, services.recent)
    services.deployments.tell(paths)
    app = framework_app(services, ReadinessState(None))
    fast = {**paths.by_path, **{path: KeyedPaths(services, shared).get(path) for path in KEYED}}
    return app.openapi(), fast, app


async def test_every_path_of_the_fast_path_is_documented_and_every_documented_one_is_served(both):
    document, fast, _ = both
    documented = {path for path, item in document["paths"].items() if "post" in item or path == "/jobs/{id}"}
    assert {path for path in documented if any(pattern(path)(served) for served in fast)} == documented
    for served in fast:
        assert fast[served] is not None, served
        matching = [path for path in documented if pattern(path)(served)]
        assert len(matching) == 1, served


async def test_keyed_routes_are_documented_with_their_key_and_the_one_method_that_they_take(both):
    document, fast, _ = both
    assert document["components"]["securitySchemes"]["ApiKey"]["name"] == "X-API-Key"
    for path in KEYED:
        ((method, operation),) = document["paths"][path].items()
        assert (fast[path].method.lower(), operation["security"]) == (method, [{"ApiKey": []}])
        assert {"401", "405", "503"} < set(operation["responses"])
    keyed = [path for path, item in document["paths"].items() for one in item.values() if "security" in one]
    assert sorted(keyed) == sorted(KEYED)


async def test_the_document_lists_the_frameworks_routes_and_no_others(both):
    """Asked with each path and each method: what is documented is there, all else is not."""
    document, fast, app = both
    for path, item in document["paths"].items():
        concrete = path.replace("{model}", "iris").replace("{version}", "v1")
        if concrete in fast:
            continue
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            scope_app = with_request_id(app)
            answer = await exchange(scope_app, method, concrete)
            assert (answer.status != 405) == (method.lower() in item), (method, path)
            assert answer.status != 404


def with_request_id(app):
    async def wrapped(scope, receive, send):
        scope["lab.request_id"] = b"id"
        await app(scope, receive, send)

    return wrapped


async def test_no_route_is_hidden_but_the_page_and_the_document_itself(both):
    document, _, app = both
    assert {path for path in paths(app.routes) if path not in document["paths"]} == {"/", "/openapi.json"}


def paths(routes):
    """Return the templates of routes, those of included routers too (FastAPI keeps each as one opaque route)."""
    for route in routes:
        if hasattr(route, "path"):
            yield route.path
        else:
            yield from paths(route.original_router.routes)


async def test_every_operation_documents_its_errors_as_problems(both):
    document, _, _ = both
    for path, item in document["paths"].items():
        for operation in item.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400 and path != "/readyz":
                    assert list(response["content"]) == ["application/problem+json"], (path, status)


async def test_the_document_is_complete_in_itself(both):
    """Each $ref leads somewhere."""
    document, _, _ = both
    schemas = document["components"]["schemas"]

    def references(value):
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for inner in value.values():
                yield from references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    found = set(references(document))
    assert found
    for reference in found:
        assert reference.startswith("#/components/schemas/")
        assert reference.rsplit("/", 1)[1] in schemas


load_all_checks()
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_answers_are_as_documented_for_generated_requests(service):
    """Bodies generated from the document, well-formed and not, for models that exist and not."""
    schema = schemathesis.openapi.from_dict(service.get("/openapi.json").json())
    session, counted = requests.Session(), 0
    for found in schema.get_all_operations():
        operation = found.ok()
        modes = [schemathesis.GenerationMode.POSITIVE]
        if operation.method == "post":
            modes.append(schemathesis.GenerationMode.NEGATIVE)
        named = {"model": "iris", "version": "v1"} if "{" in operation.path else {}
        given_parameters = {key: value for key, value in named.items() if f"{{{key}}}" in operation.path}
        for mode in modes:
            for parameters in [given_parameters, {}] if given_parameters else [{}]:

                @settings(
                    max_examples=12,
                    deadline=None,
                    database=None,
                    derandomize=True,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                )
                @given(operation.as_strategy(generation_mode=mode, path_parameters=parameters or None))
                def answered_as_documented(case):
                    nonlocal counted
                    counted += 1
                    case.call_and_validate(
                        base_url=f"http://127.0.0.1:{service.port}", session=session, checks=CHECKS, timeout=30
                    )

                answered_as_documented()
    session.close()
    assert counted > 150


async def test_answers_of_keyed_routes_are_as_documented(wire, redis):
    """Each status that the document promises, held against the schema that it gives for it."""
    one = await wire(job_rate=0.01, job_burst=3, max_body_bytes=1000)
    document = (await one.ask("GET", "/openapi.json")).json()
    job, key = {"model": "iris", "data": [[1, 0, 0, 0]]}, {"idempotency_key": "k"}
    accepted = await one.ask("POST", "/jobs", job, **key)
    place = accepted.headers["location"]
    result = {"id": accepted.json()["id"], "client": "ana", "model": "iris", "request_id": "r", "accepted": 1}

    async def answered(**changes):
        redis.client.set(f"result:{result['id']}", json.dumps(result | {"answered": 2} | changes))
        return await one.ask("GET", place)

    seen = {
        "/jobs": [
            accepted,
            await one.ask("POST", "/jobs", b"{"),
            await one.ask("POST", "/jobs", job, key=""),
            await one.ask("POST", "/jobs", job | {"model": "oak"}),
            await one.ask("GET", "/jobs"),
            await one.ask("POST", "/jobs", b" " * 1001),
            await one.ask("POST", "/jobs", job | {"model": "forest"}, **key),
            *[await one.ask("POST", "/jobs", job) for _ in range(3)],
        ],
        "/jobs/{id}": [
            await one.ask("GET", place),
            await answered(status="done", version="v1", result=[1]),
            await answered(status="done", version="v1", result=["Neutral"], score=[0.5]),
            await answered(status="failed", reason="too large"),
            await one.ask("GET", place, key=KEYS["eva"]),
            await one.ask("GET", place, key=""),
            await one.ask("PUT", place),
        ],
    }
    redis.kill()
    seen["/jobs"].append(await one.ask("POST", "/jobs", job))
    seen["/jobs/{id}"].append(await one.ask("GET", place))
    for path, answers in seen.items():
        ((_, operation),) = document["paths"][path].items()
        promised = operation["responses"]
        assert {str(answer.status) for answer in answers} == set(promised) - {"408"}, path
        for answer in answers:
            content = promised[str(answer.status)]["content"]
            schema = content[answer.headers["content-type"]]["schema"]
            whole = schema | {"components": document["components"]}
            jsonschema_rs.validate(whole, answer.json())
            assert not jsonschema_rs.is_valid(whole, {"id": 1, "type": 1}), "the check notices what is wrong"


@pytest.mark.parametrize("model", ROWS)
def test_answers_of_real_predictions_are_as_documented(service, model):
    schema = schemathesis.openapi.from_dict(service.get("/openapi.json").json())
    bodies = {
        "/models/{model}/predict": {"data": [ROWS[model]] * 3},
        "/v2/models/{model}/infer": {"id": "1", "inputs": [tensor(model, 3)]},
    }
    for path, body in bodies.items():
        case = schema[path]["POST"].Case(path_parameters={"model": model}, body=body, media_type="application/json")
        response = case.call_and_validate(base_url=f"http://127.0.0.1:{service.port}", checks=CHECKS)
        assert response.status_code == 200


def test_the_checks_notice_an_answer_that_is_not_documented(service):
    """The control of the two tests above."""
    document = service.get("/openapi.json").json()
    answer_schema = document["components"]["schemas"]["PredictAnswer"]
    answer_schema["properties"]["result"] = {"type": "string"}
    schema = schemathesis.openapi.from_dict(document)
    case = schema["/predict"]["POST"].Case(body={"data": [ROWS["iris"]]}, media_type="application/json")
    with pytest.raises(FailureGroup, match="1 distinct failure"):
        case.call_and_validate(base_url=f"http://127.0.0.1:{service.port}", checks=CHECKS)
