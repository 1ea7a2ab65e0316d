"""Traffic for the shop: low, high, low again, 28 s each. Given; it writes when that was to traffic.json beside it.

RATE (task.env) orders, searches and looks a second; three times as many in the middle. Requests leave on time,
whether or not the ones before are answered.
"""

import asyncio
import json
import time
from collections import Counter
from pathlib import Path

import httpx
from task import numbers

SHOP = "http://127.0.0.1:18360"
STEP_S = 28
MIX = ("look", "order", "look", "search")


async def request(client: httpx.AsyncClient, number: int, seen: Counter[str]) -> None:
    """Send one request and count what came back."""
    kind = MIX[number % len(MIX)]
    try:
        if kind == "order":
            answer = await client.post("/checkout", json={"item": f"{number}"})
        elif kind == "search":
            answer = await client.get("/search", params={"q": f"{number}"})
        else:
            answer = await client.get(f"/items/{number}")
        seen[f"{kind} {answer.status_code // 100}xx"] += 1
    except httpx.HTTPError as error:
        seen[f"{kind} {type(error).__name__}"] += 1


async def run(segments: list[list[float]]) -> Counter[str]:
    """Drive all steps, one after the other."""
    seen: Counter[str] = Counter()
    number, begins = 0, time.perf_counter()
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=0)  # each customer comes anew
    async with (
        httpx.AsyncClient(base_url=SHOP, limits=limits, timeout=10, trust_env=False) as client,
        asyncio.TaskGroup() as tasks,
    ):
        for seconds, rate, _ in segments:
            for turn in range(round(seconds * rate)):
                await asyncio.sleep(max(0.0, begins + turn / rate - time.perf_counter()))
                tasks.create_task(request(client, number, seen))
                number += 1
            begins += seconds
    return seen


def main() -> None:
    low = numbers()["RATE"]
    segments = [[STEP_S, low, low], [STEP_S, 3 * low, 3 * low], [STEP_S, low, low]]
    print(f"{low} requests/s, then {3 * low}, then {low} again: {STEP_S} s each", flush=True)
    started = time.time()
    seen = asyncio.run(run(segments))
    facts = {
        "id": "traffic",
        "started": started,
        "scenario": {"segments": segments},
        "seen": dict(sorted(seen.items())),
    }
    Path(__file__).with_name("traffic.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    for what, count in sorted(seen.items()):
        print(f"{count:6} {what}")


if __name__ == "__main__":
    main()
