"""A feedback table and retraining as a user has them: the real table, the real command, the real models."""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from app.adapters.feedback_table import FeedbackTable, StoredFeedback
from app.config import PACKAGED_MODELS
from tests.service import ROOT


def database(folder: Path) -> str:
    return f"sqlite:///{folder / 'feedback.db'}"


def give(folder: Path, said: Iterable[tuple[str, str, str]], model: str = "sentiment") -> None:
    """Put feedback (client, text, label) into the table, as a worker does; later ones were given later."""
    table = FeedbackTable(database(folder))
    rows = [
        StoredFeedback(
            id=f"{client}-{number}-{hash((text, label))}",
            client=client,
            model=model,
            version="v1",
            row=json.dumps(text),
            label=json.dumps(label),
            predicted=json.dumps("Neutral"),
            verdict="disagree",
            about="",
            given=float(number),
            stored=float(number),
        )
        for number, (client, text, label) in enumerate(said)
    ]
    table.add(rows)
    table.close()


def retrain(folder: Path, *more: str, model: str = "sentiment") -> "subprocess.CompletedProcess[str]":
    """Run the command on the folder's table; versions go to `folder/trained`."""
    command = [sys.executable, "-m", "app.training.retrain", model, "--database", database(folder)]
    command += ["--models", str(PACKAGED_MODELS), "--trained", str(folder / "trained"), *more]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
