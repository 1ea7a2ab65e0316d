"""A stack's state folder with a version of sentiment trained from feedback, and replicas that follow its routes."""

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

from app.adapters.model_files import MANIFEST, encode_manifest, read_manifest
from app.config import PACKAGED_MODELS
from labkit.stack.record import Member, Record, identify, write_record
from tests.samples.opinions import LABELLED
from tests.service import ROOT, Service, environment

LAB = Path(sys.executable).parent / "lab"


class Lab:
    """A state folder as the stack has it, one replica that follows its routes, and the `lab` command."""

    def __init__(self, folder: Path, trained: Path, models: Path) -> None:
        self.state = folder / "state"
        self.data = self.state / "data"
        self.routes = self.data / "routes.json"
        shutil.copytree(trained, self.data / "models")
        self.settings: dict[str, object] = {
            "models_dir": models,
            "trained_dir": self.data / "models",
            "routes_file": self.routes,
        }

    def record(self, **members: tuple[int, str]) -> None:
        """Write down what runs, by name: port and state; the tests' process stands for the supervisor."""
        (self.state / "run").mkdir(exist_ok=True)
        us = identify(os.getpid())
        listed = tuple(Member(name, state, us, port, 0, None) for name, (port, state) in members.items())
        write_record(self.state / "run", Record(us, None, "up", 18000, "none", listed))

    def lab(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(LAB), *arguments],
            cwd=ROOT,
            env=environment(home=self.state),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def write(self, content: str) -> None:
        part = self.routes.with_suffix(".part")
        part.write_text(content)
        part.replace(self.routes)


def few_models(folder: Path) -> Path:
    """Make a models folder of iris and sentiment alone: a service that starts quickly."""
    for name in ("iris", "sentiment"):
        shutil.copytree(PACKAGED_MODELS / name, folder / name)
    kept = {path: digest for path, digest in read_manifest(PACKAGED_MODELS).items() if (folder / path).exists()}
    (folder / MANIFEST).write_bytes(encode_manifest(kept))
    return folder


def predict(service: Service, count: int, stop: threading.Event | None = None) -> Counter[tuple[int, str]]:
    """Send predictions on one connection, at most `count`; return how often which status and version came."""
    seen: Counter[tuple[int, str]] = Counter()
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    with contextlib.closing(connection):
        for number in range(count):
            if stop is not None and stop.is_set():
                break
            # Some texts come again and are cached, some are new.
            text, _ = LABELLED[number % len(LABELLED)]
            body = json.dumps({"data": [text if number % 2 else f"{text} {number}"]})
            connection.request("POST", "/models/sentiment/predict", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            seen[answer.status, answer.headers["X-Model-Version"]] += 1
    return seen


def traffic(service: Service) -> dict[str, float]:
    shares: dict[str, float] = service.get("/models/sentiment").json()["traffic"]
    return shares
