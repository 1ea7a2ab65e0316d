"""A queue as a tutorial shows it: FastAPI hands a job to Celery with `delay` and asks `AsyncResult` how it is.

`python -m bench.servers.textbook_queue PORT` with BENCH_REDIS set to Redis's address; the worker is textbook_tasks.
"""

import sys
from typing import Any

import uvicorn
from celery.result import AsyncResult
from fastapi import FastAPI
from pydantic import BaseModel

from app.api.server import configuration
from bench.servers.textbook_tasks import app as celery
from bench.servers.textbook_tasks import predict

app = FastAPI()


class Body(BaseModel):
    data: list[list[float]]


class Accepted(BaseModel):
    id: str
    status: str = "queued"


class State(BaseModel):
    id: str
    status: str
    result: list[int] | None = None


@app.post("/jobs", status_code=202)
def submit(body: Body) -> Accepted:
    return Accepted(id=predict.delay(body.data).id)


@app.get("/jobs/{ident}")
def state(ident: str) -> State:
    job: Any = AsyncResult(ident, app=celery)
    if not job.ready():
        return State(id=ident, status="queued")
    return State(id=ident, status="done", result=job.get())


def main() -> None:
    config = configuration(app)
    config.port = int(sys.argv[1])
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
