"""What a service without our checks is like: the control of the hostile requests. `python -m ... PORT` serves it."""

import json
import sys
from typing import Any

import uvicorn


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer the sum of each row, trusting the body."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    result = [sum(map(float, row)) for row in json.loads(body)["data"]] if scope["method"] == "POST" else []
    answer = json.dumps({"result": result}, allow_nan=False).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="critical", access_log=False, lifespan="off")
