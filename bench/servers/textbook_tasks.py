"""The worker of the textbook queue: Celery as its first steps show it, Redis as broker and result backend.

`python -m celery -A bench.servers.textbook_tasks worker --concurrency 1` with BENCH_REDIS set to Redis's address.
"""

import os
from functools import cache
from typing import Any

from celery import Celery

from app.training.data_sets import split_iris
from app.training.linear import IRIS_SEED, fit_iris

REDIS = os.environ["BENCH_REDIS"]
app = Celery("tasks", broker=REDIS, backend=REDIS)


@cache
def model() -> Any:
    """The very flowers' model that the service serves, once for each process."""
    return fit_iris(split_iris(IRIS_SEED))


@app.task
def predict(data: list[list[float]]) -> list[int]:
    result: list[int] = model().predict(data).tolist()
    return result
