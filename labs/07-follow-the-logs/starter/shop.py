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
    # TODO 1: take over an id that is well-formed; else make a new one (uuid.uuid4().hex).
    return ""


def level(status: int) -> int:
    """Return how loud a record is: logging.INFO, .WARNING for a status from 400 on, .ERROR from 500 on."""
    # TODO 2
    return logging.INFO


@app.middleware("http")
async def follow(request: Request, call_next):
    """Give each request an id before it is answered, and leave one record of it after."""
    request.state.id = request_id(request.headers.get("x-request-id"))
    begun = time.perf_counter()
    response = await call_next(request)
    microseconds = round((time.perf_counter() - begun) * 1e6)
    # TODO 3: say the id in the answer's header X-Request-ID, too.
    # TODO 4: log one record: log.log(level(…), "a short message", extra={…}). Each entry of `extra` becomes a field:
    #         event "shop", request_id, method, path, and the numbers status and duration_us (numbers, not texts).
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
    # TODO 5: pass the request's id on, as header X-Request-ID beside the other headers.
    try:
        answer = await service.post(path, content=await request.body(), headers=headers or {})
    except httpx.HTTPError as error:
        return Response(f"the prediction service did not answer: {type(error).__name__}\n", 502)
    return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))
