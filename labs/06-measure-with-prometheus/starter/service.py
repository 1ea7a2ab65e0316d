"""A small shop: three routes, one of them sometimes slow, sometimes wrong. Given; you need not change it.

Start: python service.py PORT
"""

import asyncio
import json
import random
import sys
from collections.abc import Iterator
from typing import Any

import red
import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from task import numbers

BLOCK = 25
NUMBERS = numbers()
CHANCE = random.Random(NUMBERS["SEED"])  # noqa: S311  (dice, no secrets)


def fates() -> Iterator[str]:
    """Say what becomes of each order: of every 25 one is slow and WRONG are wrong, in an order that SEED shuffles."""
    while True:
        wrong = ["refused", "broken"] * BLOCK
        block = ["slow", *wrong[: NUMBERS["WRONG"]]]
        block += ["fine"] * (BLOCK - len(block))
        CHANCE.shuffle(block)
        yield from block


FATES = fates()
app = FastAPI(openapi_url=None)


@app.get("/items/{item}")
async def item(item: str) -> dict[str, Any]:
    await asyncio.sleep(CHANCE.uniform(0.002, 0.008))
    return {"item": item, "price": len(item)}


@app.get("/search")
async def search(q: str = "") -> dict[str, Any]:
    await asyncio.sleep(CHANCE.uniform(0.11, 0.14))
    return {"q": q, "found": []}


@app.post("/checkout")
async def checkout(order: dict[str, Any]) -> JSONResponse:
    fate = next(FATES)
    await asyncio.sleep(CHANCE.uniform(0.025, 0.035) if fate != "slow" else NUMBERS["SLOW_MS"] / 1000)
    if fate == "refused":
        return JSONResponse({"error": "the bank did not answer"}, 502)
    if fate == "broken":
        raise RuntimeError("nobody expected this order: " + json.dumps(order))
    return JSONResponse({"paid": True})


if __name__ == "__main__":
    red.measure(app)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
