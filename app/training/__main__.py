"""The command `python -m app.training`."""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from app.core.errors import ArtefactChanged
from app.training.catalogue import SUBJECTS
from app.training.comparison import differences
from app.training.trained import write

MODELS: Final = Path(__file__).parents[1] / "models"
EXAMPLE: Final = """examples:
  python -m app.training                 train all models and write app/models
  python -m app.training --only digits   train one; the others stay as they are
  python -m app.training --check         train into a temporary folder and compare; exit 1 on a difference
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m app.training",
        description="Train the models that the service serves, seeded and reproducible.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", choices=sorted(SUBJECTS), action="append", help="train this model; may be repeated")
    parser.add_argument("--check", action="store_true", help="compare with the models folder instead of writing it")
    parser.add_argument(
        "--models", type=Path, default=MODELS, metavar="DIR", help="models folder (default: app/models)"
    )
    options = parser.parse_args(arguments)
    names = options.only or list(SUBJECTS)
    if options.check:
        return check(options.models, names)
    train(options.models, names)
    return 0


def train(models_dir: Path, names: Sequence[str]) -> None:
    for number, name in enumerate(names, start=1):
        started = time.perf_counter()
        print(f"[{number}/{len(names)}] {name}: training", flush=True)
        trained = SUBJECTS[name].train()
        write(trained, models_dir)
        seconds = time.perf_counter() - started
        for model in trained:
            metrics = ", ".join(f"{metric} {value:.4f}" for metric, value in model.card.held_out.items())
            print(
                f"      {model.folder}: {metrics} on {model.card.held_out_rows} held-out rows; "
                f"{model.card.parity}; {len(model.artefact):,} bytes; {seconds:.1f} s",
                flush=True,
            )


def check(models_dir: Path, names: Sequence[str]) -> int:
    """0 when a retraining agrees with the folder, 1 with a line for each difference."""
    with tempfile.TemporaryDirectory(prefix="retrained-") as folder:
        train(Path(folder), names)
        try:
            found = list(differences(models_dir, Path(folder), names))
        except ArtefactChanged as error:
            found = [str(error)]
    for difference in found:
        print(difference, file=sys.stderr)
    print(f"{models_dir.name}: " + (f"{len(found)} differences" if found else "agrees with a retraining"))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
