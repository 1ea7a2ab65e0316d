"""Retraining in a process of its own, with the paths of the stack."""

import json
import subprocess
import sys
from typing import Any

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.models.routes import routes_file
from labkit.models.versions import project_models, trained_models
from labkit.urls import running


def command(home: Home, model: str) -> list[str]:
    """Return the program and its arguments."""
    urls = running(home)
    # Also without a stack: the table lies in a file that the worker left.
    (home.data / "feedback").mkdir(parents=True, exist_ok=True)
    database = (urls and urls.database) or f"sqlite:///{home.data / 'feedback' / 'feedback.db'}"
    return [
        *(sys.executable, "-m", "app.training.retrain", model, "--database", database),
        *("--models", str(project_models(home)), "--trained", str(trained_models(home))),
        *("--routes", str(routes_file(home))),
    ]


def retrained(home: Home, model: str) -> dict[str, Any]:
    """Retrain and return the facts. Raises CannotRun with the reason of the program."""
    run = subprocess.run([*command(home, model), "--json"], cwd=home.root, capture_output=True, text=True, check=False)
    if run.returncode not in (0, 1):
        lines = run.stderr.strip().splitlines()
        raise CannotRun(lines[-1] if lines else f"retrain ended with exit code {run.returncode}")
    facts: dict[str, Any] = json.loads(run.stdout)
    return facts
