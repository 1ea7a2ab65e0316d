"""Given, nothing to fill in: drives the service, and keeps what came back.

python measure.py sizes         requests of 1 to 64 texts            -> sizes.jsonl
python measure.py next          the next size, NEXT in task.env      -> next.jsonl
python measure.py replicas N    four users, on the N replicas there  -> replicas-N.jsonl

A closed model: a user sends the next request when the last one is answered, so the number of requests in flight is
fixed and the throughput follows. Each line is one short run; the sizes take turns, in another order each round,
so that a machine that is slow for a while is slow for all of them. The sentiment model has not seen any text before.
"""

import http.client
import itertools
import json
import os
import random
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from labkit.loadgen.bodies import MODELS, rows_for

HERE = Path(__file__).parent
SERVICE = urlsplit(os.environ.get("LAB_SERVICE_URL", "http://127.0.0.1:18080"))
SIZES = (1, 2, 4, 8, 16, 24, 32, 48, 64)  # texts in one request
AGAIN = (16, 32, 48, 64)  # the control: measured beside the next size, to see whether the machine is as fast as it was
ROUNDS, SECONDS = 20, 0.2
LOOK_EVERY = 0.002  # seconds between two looks at how many requests are in flight

numbers = itertools.count(time.time_ns())  # no text is sent twice: nothing can be answered from the cache


class Load:
    """Some users, each with a connection of its own, for some seconds."""

    def __init__(self, size, users, seconds):
        self.size, self.users, self.seconds = size, users, seconds
        self.texts = rows_for(MODELS["sentiment"], next(numbers), size)
        self.latencies_ms, self.failed, self.in_flight, self.looks = [], 0, 0, []

    def run(self):
        """Return what happened as one line of samples."""
        threads = [threading.Thread(target=self.user) for _ in range(self.users)]
        psutil.cpu_percent()
        started, self.begun = time.time(), time.perf_counter()
        self.until = self.begun + self.seconds
        for thread in threads:
            thread.start()
        while time.perf_counter() < self.until:
            self.looks.append(self.in_flight)
            time.sleep(LOOK_EVERY)
        for thread in threads:
            thread.join()
        return {
            "size": self.size,
            "users": self.users,
            "started": started,
            "seconds": time.perf_counter() - self.begun,
            "answered": len(self.latencies_ms),
            "failed": self.failed,
            "latencies_ms": self.latencies_ms,
            "in_flight": sum(self.looks) / len(self.looks),
            "cpu_busy": psutil.cpu_percent() / 100,
        }

    def user(self):
        connection = http.client.HTTPConnection(SERVICE.hostname, SERVICE.port, timeout=10)
        connection.connect()
        while time.perf_counter() < self.until:
            body = json.dumps({"data": [f"{self.texts[0]} {next(numbers)}", *self.texts[1:]]}).encode()
            sent = time.perf_counter()
            self.in_flight += 1
            connection.request("POST", "/models/sentiment/predict", body)
            answer = connection.getresponse()
            answer.read()
            self.in_flight -= 1
            if answer.status == 200:
                self.latencies_ms.append(round((time.perf_counter() - sent) * 1000, 3))
            else:
                self.failed += 1
        connection.close()


def insist_on_a_service():
    try:
        http.client.HTTPConnection(SERVICE.hostname, SERVICE.port, timeout=2).connect()
    except OSError as error:
        sys.exit(f"nothing answers at {SERVICE.geturl()} ({error}); next: lab start 08")


def rounds(sizes, users=1, times=ROUNDS, seconds=SECONDS):
    """Return the runs of all rounds, after a warm-up; quiet before and after, so that counters can be read."""
    insist_on_a_service()
    Load(16, users, 0.5).run()
    time.sleep(1.5)
    runs = []
    for number in range(1, times + 1):
        if sys.stdout.isatty():
            print(f"\rround {number} of {times} ", end="", flush=True)
        runs += [Load(size, users, seconds).run() for size in random.sample(sizes, len(sizes))]
    time.sleep(1.5)
    return runs


def keep(name, runs):
    (HERE / name).write_text("".join(json.dumps(run) + "\n" for run in runs), encoding="utf-8")
    requests = sum(run["answered"] for run in runs)
    print(f"\r{name}: {len(runs)} runs, {requests} requests answered, {sum(run['failed'] for run in runs)} failed")


def main():
    task = dict(line.split("=") for line in (HERE / "task.env").read_text().splitlines() if "=" in line)
    match sys.argv[1:]:
        case ["sizes"]:
            keep("sizes.jsonl", rounds(SIZES))
        case ["next"]:
            keep("next.jsonl", rounds([*AGAIN, int(task["NEXT"])], times=2 * ROUNDS))
        case ["replicas", count]:
            keep(f"replicas-{int(count)}.jsonl", rounds([16], users=4, times=6, seconds=1.0))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
