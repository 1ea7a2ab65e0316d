"""Clients that keep the service busy for as long as a test wants: each asks, waits for the answer, and asks again."""

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

FEATURES = 13
"""Of a wine, which is what the forest is asked about."""


@contextmanager
def busy(service: str, clients: int) -> Iterator[Counter[int]]:
    """Ask the forest for rows that nobody has asked before; yields how often each status came, 0 for no answer."""
    over = threading.Event()
    statuses = Counter[int]()

    def ask(seed: int) -> None:
        numbers = random.Random(seed)
        with httpx.Client(base_url=service, timeout=10.0, trust_env=False) as client:
            while not over.is_set():
                rows = [[numbers.uniform(0.1, 5) for _ in range(FEATURES)] for _ in range(64)]
                try:
                    status = client.post("/models/forest/predict", json={"data": rows}).status_code
                except httpx.HTTPError:
                    status = 0
                statuses[status] += 1

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        over.set()
        for thread in threads:
            thread.join()
