"""The most that uvicorn can do: an ASGI application that reads nothing and always answers the same.

`python -m bench.servers.constant PORT MODELS`: the folder is not used; all yardsticks are started alike.
"""

import sys

import uvicorn

from app.api.exchange import Receive, Scope, Send
from app.api.server import configuration

BODY = b'{"result":[0]}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]


async def constant(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


def main() -> None:
    config = configuration(constant)
    config.http = "httptools"  # uvicorn's own protocol class: the yardstick has nothing of ours in it
    config.port = int(sys.argv[1])
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
