"""A small shop. It asks the lab's prediction service; what is missing is what says what happened to a request.

POST /flowers   names a flower, at once        POST /opinions   takes an opinion, a worker judges it later
"""

import logging
import os
import re
import time
import uuid
from pathlib import Path

import httpx
from fastapi import FastAPI, Request, Response
from request_log import open_log

# An id from outside ends up in logs and headers: this is what it may look like. WELL_FORMED.fullmatch(text) says so.
WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{1,128}")

log = open_log(os.environ["LAB_GELF_URL"], "shop")
key = Path(os.environ["LAB_API_KEY_FILE"]).read_text(encoding="ascii").strip()
service = httpx.AsyncClient(base_url=os.environ["LAB_SERVICE_URL"], timeout=10, trust_env=False)
app = FastAPI()


def request_id(asked: str | None) -> str:
    """Return the id of a request. `asked` is what its X-Request-ID header says, None when it has none."""
    return asked if asked and WELL_FORMED.fullmatch(asked) else uuid.uuid4().hex


def level(status: int) -> int:
    """Return how loud a record is: logging.INFO, .WARNING for a status from 400 on, .ERROR from 500 on."""
    return logging.ERROR if status >= 500 else logging.WARNING if status >= 400 else logging.INFO


@app.middleware("http")
async def follow(request: Request, call_next):
    """Give each request an id before it is answered, and leave one record of it after."""
    request.state.id = request_id(request.headers.get("x-request-id"))
    begun = time.perf_counter()
    response = await call_next(request)
    microseconds = round((time.perf_counter() - begun) * 1e6)
    response.headers["X-Request-ID"] = request.state.id
    fields = {
        "event": "shop",
        "request_id": request.state.id,
        "method": request.method,
        "path": request.url.path,
        "status": response.status_code,
        "duration_us": microseconds,
    }
    log.log(level(response.status_code), f"{request.method} {request.url.path} {response.status_code}", extra=fields)
    return response


@app.post("/flowers")
async def flowers(request: Request) -> Response:
    """Pass on four numbers of a flower; the answer is its kind."""
    return await passed_on(request, "/predict")


@app.post("/opinions")
async def opinions(request: Request) -> Response:
    """Pass on a text to be judged; the answer, 202, has the id of a job."""
    return await passed_on(request, "/jobs", {"X-API-Key": key})


async def passed_on(request: Request, path: str, headers: dict[str, str] | None = None) -> Response:
    """Ask the prediction service, and hand its answer on as it is; 502 when there is none."""
    sent = {"X-Request-ID": request.state.id, **(headers or {})}
    try:
        answer = await service.post(path, content=await request.body(), headers=sent)
    except httpx.HTTPError as error:
        return Response(f"the prediction service did not answer: {type(error).__name__}\n", 502)
    return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))
