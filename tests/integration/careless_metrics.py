"""A service that labels its metrics by path: the control of the made-up requests. `python -m ... PORT` serves it."""

import sys
from typing import Any

import uvicorn
from prometheus_client import CollectorRegistry, Counter, generate_latest

REGISTRY = CollectorRegistry()
REQUESTS = Counter("http_requests", "Requests answered.", ["method", "path"], registry=REGISTRY)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Count by path, answer with the metrics."""
    while (await receive()).get("more_body"):
        pass
    REQUESTS.labels(scope["method"], scope["path"]).inc()
    body = generate_latest(REGISTRY) if scope["path"] == "/metrics" else b"yes"
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="critical", access_log=False, lifespan="off")
