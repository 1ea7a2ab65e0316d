"""The command `python -m app.training.retrain`: a new version out of the original data and what clients said.

A candidate is registered only when there is feedback that neither the stable version nor the newest one was trained
on, and when it gives at least as many right answers as the stable version on the same held-out sentences. With equal
figures the new feedback decides: it is about what clients really send. The rule is printed with the figures.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from app.adapters.feedback_table import FeedbackTable
from app.adapters.model_files import CARD, Card, find_version, read_card, read_checked, read_manifest, versions_in
from app.adapters.routes_file import RoutesFile
from app.config import WrongSetting, from_environment
from app.core.errors import ArtefactChanged, TableAway, UnknownModel, WrongRoutes
from app.core.registry import version_number
from app.training.candidate import LEARNT, RULE, Figures, digest, measure, not_worse, train_candidate
from app.training.data_sets import held_out_sentences, training_sentences
from app.training.feedback import Said, Usable, usable
from app.training.sentiment import LABELS
from app.training.trained_folder import add_version, locked

MODEL: Final = "sentiment"
EXAMPLE: Final = """example:
  python -m app.training.retrain sentiment --database sqlite:///feedback.db --models app/models --trained trained

What is not given is told by the settings of the service: LAB_DATABASE_URL, LAB_MODELS_DIR, LAB_TRAINED_DIR,
LAB_ROUTES_FILE.
exit codes: 0 registered, 1 refused (worse, or nothing new to learn from; 0 with --periodic), 2 cannot run
"""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a retraining; the figures are None where there was nothing new to train on."""

    model: str
    registered: str | None
    """The new version."""
    reason: str
    rule: str = RULE
    feedback_rows: int
    usable: int
    new: int
    left_out: dict[str, int]
    stable: dict[str, Any]
    candidate: dict[str, Any] | None
    seconds: float


class Folders(msgspec.Struct, frozen=True):
    """Where versions are: those that came with the project, and those trained later; and which of them is stable."""

    models: Path
    trained: Path
    routes: Path | None = None

    def versions(self) -> list[str]:
        found = {version for folder in (self.models, self.trained) for version in versions_in(folder, MODEL)}
        return sorted(found, key=version_number)

    def original(self) -> str:
        read_manifest(self.models)  # a folder that is none is told as such
        found = versions_in(self.models, MODEL)
        if not found:
            raise UnknownModel(f"no version of {MODEL} in {self.models}")
        return found[0]

    def stable(self) -> str:
        routes = RoutesFile(self.routes).changed() if self.routes else None
        return routes[MODEL].stable if routes and MODEL in routes else self.original()

    def learnt(self, version: str) -> set[str]:
        """Return the digests of the feedback that a version was trained on."""
        if version not in versions_in(self.trained, MODEL):
            return set()
        part = f"{MODEL}/{version}/"
        content = read_checked(self.trained, part, again=f"lab retrain {MODEL}").get(part + LEARNT, b"[]")
        return set(msgspec.json.decode(content, type=list[str]))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m app.training.retrain",
        description=f"Train a new version on the original data and on feedback. Registered is what gives {RULE}.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", nargs="?", default=MODEL, help=f"only {MODEL} can be retrained")
    parser.add_argument("--database", metavar="URL", help="of the feedback, such as sqlite:///FILE")
    parser.add_argument("--models", type=Path, metavar="DIR", help="the project's own versions")
    parser.add_argument("--trained", type=Path, metavar="DIR", help="where the new version goes")
    parser.add_argument("--routes", type=Path, metavar="FILE", help="says which version is stable (default: the first)")
    parser.add_argument("--periodic", action="store_true", help="exit 0 also when refused: it is tried again anyway")
    parser.add_argument("--json", action="store_true", help="print facts for a machine")
    options = parser.parse_args(arguments)
    try:
        if options.model != MODEL:
            raise UnknownModel(f"{options.model!r} cannot be retrained: feedback teaches {MODEL} alone")
        _complete(options)
        outcome = retrain(said(options.database), Folders(options.models, options.trained, options.routes))
    except (ArtefactChanged, TableAway, UnknownModel, WrongRoutes, WrongSetting) as error:
        print(f"retrain: {error}", file=sys.stderr)
        return 2
    print(msgspec.json.format(msgspec.json.encode(outcome), indent=2).decode() if options.json else told(outcome))
    return 0 if outcome.registered or options.periodic else 1


def _complete(options: argparse.Namespace) -> None:
    """Fill in what was not given. Raises WrongSetting when the settings do not say it either."""
    if options.database and options.models and options.trained:
        return  # `lab retrain` gives everything, and the environment it runs in is not a service's
    settings = from_environment()
    options.database = options.database or settings.database_url
    options.models = options.models or Path(settings.models_dir)
    trained = options.trained or settings.trained_dir
    for option, variable, value in (
        ("--database", "LAB_DATABASE_URL", options.database),
        ("--trained", "LAB_TRAINED_DIR", trained),
    ):
        if not value:
            raise WrongSetting(f"{variable} is not set; next: set it, or give {option}")
    options.trained = Path(trained)
    if options.routes is None and settings.routes_file:
        options.routes = Path(settings.routes_file)


def said(database: str) -> Iterator[Said]:
    """Yield the feedback on the model in the order of time. Raises TableAway."""
    try:
        table = FeedbackTable(database)
    except ValueError as error:
        raise TableAway(f"--database: {error}") from None
    try:
        for line in table.of_model(MODEL):
            text, label = msgspec.json.decode(line.row), msgspec.json.decode(line.label)
            yield Said(line.client, str(text), str(label))
    finally:
        table.close()


def retrain(
    feedback: Iterator[Said], folders: Folders, accept: Callable[[Figures, Figures], bool] = not_worse
) -> Outcome:
    """Train, compare, and register what `accept` takes.

    Raises ArtefactChanged, UnknownModel or WrongRoutes for folders that are not in order.
    """
    started = time.perf_counter()
    with locked(folders.trained):
        stable_version, newest = folders.stable(), folders.versions()[-1]
        stable = measure(find_version([folders.models, folders.trained], MODEL, stable_version))
        known = [sentence.text for sentence in training_sentences()]
        found = usable(feedback, LABELS, known, [sentence.text for sentence in held_out_sentences()])
        learnt = folders.learnt(stable_version) | folders.learnt(newest)
        new = sum(digest(example) not in learnt for example in found.examples)
        if not new:
            since = f" since {newest}" if learnt else ""
            return _outcome(started, found, 0, stable, None, None, f"no new usable feedback{since}: nothing to learn")
        candidate = train_candidate(found.examples, _original_card(folders))
        figures = candidate.figures
        compared = f"{figures.right} right answers of {figures.rows}, {stable.version} gives {stable.right}"
        if not accept(figures, stable):
            return _outcome(started, found, new, stable, figures, None, f"the candidate is worse: {compared}")
        version = f"v{version_number(newest) + 1}"
        add_version(folders.trained, MODEL, version, candidate.files(version, found, stable))
        return _outcome(started, found, new, stable, figures, version, compared)


def _original_card(folders: Folders) -> Card:
    part = f"{MODEL}/{folders.original()}/"
    return read_card(part + CARD, read_checked(folders.models, part)[part + CARD])


def _outcome(
    started: float,
    feedback: Usable,
    new: int,
    stable: Figures,
    candidate: Figures | None,
    version: str | None,
    reason: str,
) -> Outcome:
    return Outcome(
        model=MODEL,
        registered=version,
        reason=reason,
        feedback_rows=feedback.rows,
        usable=len(feedback.examples),
        new=new,
        left_out=feedback.left_out,
        stable=_facts(stable),
        candidate=_facts(candidate) if candidate else None,
        seconds=round(time.perf_counter() - started, 2),
    )


def _facts(figures: Figures) -> dict[str, Any]:
    return msgspec.structs.asdict(figures) | {"accuracy": figures.accuracy}


def told(outcome: Outcome) -> str:
    """Return the outcome for people."""
    left_out = "; ".join(f"{count} {reason}" for reason, count in outcome.left_out.items()) or "none"
    lines = [
        f"{outcome.model}: {outcome.feedback_rows} feedback rows, {outcome.usable} usable texts, {outcome.new} new",
        f"left out: {left_out}",
        f"rule: {outcome.rule}",
    ]
    for figures in (outcome.stable, outcome.candidate):
        if figures:
            accuracy, rows = figures["accuracy"], figures["rows"]
            lines.append(f"{figures['version']:<10} accuracy {accuracy:.4f} on {rows} held-out sentences")
    if outcome.registered:
        lines.append(f"registered as {outcome.registered}; next: lab canary {outcome.model} {outcome.registered}")
    else:
        lines.append(f"refused: {outcome.reason}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
