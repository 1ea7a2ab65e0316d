"""Prediction as a tutorial shows it: a FastAPI `def` endpoint, a pydantic body, `model.predict` for each request.

`python -m bench.servers.naive iris|forest PORT MODELS`. The models are the very ones that the service serves.
"""

import sys
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from app.adapters.forest import Recipe, fit
from app.adapters.model_files import read_checked
from app.api.server import configuration
from app.training.data_sets import split_iris
from app.training.linear import IRIS_SEED, fit_iris


class Body(BaseModel):
    data: list[list[float]]


class Prediction(BaseModel):
    result: list[int]


def application(model: Any) -> FastAPI:
    """Return the application. The return type is declared, as FastAPI then encodes fastest."""
    app = FastAPI()

    @app.post("/predict")
    def predict(body: Body) -> Prediction:
        return Prediction(result=model.predict(body.data).tolist())

    return app


def iris(_models: Path) -> Any:
    return fit_iris(split_iris(IRIS_SEED))


def forest(models: Path) -> Any:
    recipe = msgspec.json.decode(read_checked(models)["forest/v1/model.json"], type=Recipe)
    return fit(recipe)


def main() -> None:
    name, port, models = sys.argv[1:]
    config = configuration(application({"iris": iris, "forest": forest}[name](Path(models))))
    config.port = int(port)
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
