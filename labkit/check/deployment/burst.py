"""Many requests over a few connections: how they are shared out is what counts, not when each is answered."""

import asyncio
from typing import Any

import httpx

DEADLINE = httpx.Timeout(10.0)
MOST_TRIES, PAUSE = 8, 0.5


def burst(url: str, path: str, bodies: list[Any], connections: int) -> list[httpx.Response | str]:
    """Post the bodies over so many kept connections, each at work all the time; a failure is its name.

    Unlike the open load it asks again when it is told to: it is there to be many, not to be in time.
    """
    return asyncio.run(_burst(url, path, bodies, connections))


async def _patiently(client: httpx.AsyncClient, path: str, body: Any) -> httpx.Response | str:
    """Post a body; who is told to come later (503 with Retry-After: a busy machine) does, some times."""
    try:
        for _ in range(MOST_TRIES - 1):
            answer = await client.post(path, json=body)
            if answer.status_code != 503 or "retry-after" not in answer.headers:
                return answer
            await asyncio.sleep(PAUSE)
        return await client.post(path, json=body)
    except httpx.HTTPError as error:
        return type(error).__name__


async def _burst(url: str, path: str, bodies: list[Any], connections: int) -> list[httpx.Response | str]:
    waiting = iter(bodies)
    answers: list[httpx.Response | str] = []
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with httpx.AsyncClient(base_url=url, timeout=DEADLINE, limits=limits, trust_env=False) as client:

        async def user() -> None:
            for body in waiting:
                answer = await _patiently(client, path, body)
                answers.append(answer)

        await asyncio.gather(*(user() for _ in range(connections)))
    return answers
