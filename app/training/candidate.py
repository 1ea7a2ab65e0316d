"""A candidate for `sentiment`, trained on the original sentences and on feedback, beside the version it challenges."""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from app.adapters.model_files import CARD, Card
from app.core.sentiment import SentimentWeights
from app.core.serving import AnyKernel
from app.training.data_sets import held_out_sentences, training_sentences
from app.training.feedback import Example, Usable
from app.training.sentiment import compile_weights, described, fit, measured, read_opinions
from app.training.trained import indented, libraries

LEARNT: Final = "feedback.json"
"""File of a version: digests of the feedback that it was trained on."""
RULE: Final = "not fewer right answers than the stable version on the same held-out sentences, and new feedback"


class Figures(msgspec.Struct, frozen=True):
    """What one version reaches on the held-out sentences."""

    version: str
    right: int
    rows: int

    @property
    def accuracy(self) -> float:
        return self.right / self.rows


class RetrainedCard(Card, frozen=True, kw_only=True):
    """A card that also says which feedback went in, and whom the version had to hold its ground against."""

    feedback: dict[str, int]
    compared_with: dict[str, Any]


class Candidate(msgspec.Struct, frozen=True):
    """A fitted model and its figures; its card lacks version and comparison until it is registered."""

    card: Card
    weights: SentimentWeights
    examples: Sequence[Example]

    @property
    def figures(self) -> Figures:
        rows = self.card.held_out_rows
        return Figures("candidate", round(self.card.held_out["accuracy"] * rows), rows)

    def files(self, version: str, feedback: Usable, stable: Figures) -> dict[str, bytes]:
        """Return the files of its folder."""
        card = RetrainedCard(
            **msgspec.structs.asdict(msgspec.structs.replace(self.card, version=version)),
            feedback={"rows": feedback.rows, "trained on": len(feedback.examples)} | feedback.left_out,
            compared_with=msgspec.structs.asdict(stable) | {"accuracy": stable.accuracy},
        )
        return {
            self.card.artefact: msgspec.json.encode(self.weights),
            CARD: indented(card),
            LEARNT: indented(sorted(digest(example) for example in self.examples)),
        }


def train_candidate(examples: Sequence[Example], original: Card) -> Candidate:
    """Fit the original sentences and the examples together, with the settings of the original; takes seconds."""
    sentences, held_out, opinions = training_sentences(), held_out_sentences(), read_opinions()
    texts = [sentence.text for sentence in sentences] + [example.text for example in examples]
    labels = [sentence.label for sentence in sentences] + [example.label for example in examples]
    pipeline = fit([described(text, opinions) for text in texts], labels)
    weights = compile_weights(pipeline, opinions)
    card = msgspec.structs.replace(
        original,
        version="",
        trained_on=f"{len(sentences)} sentences written for this project, and {len(examples)} of feedback",
        libraries=libraries("scikit-learn", "numpy"),
        notes=(
            f"Registered because: {RULE}",
            "The same held-out sentences judge every retraining: the more often, the more optimistic the figures",
        ),
    )
    return Candidate(measured(card, weights, pipeline, held_out), weights, examples)


def measure(kernel: AnyKernel) -> Figures:
    """Return the figures of a loaded version on the same sentences."""
    sentences = held_out_sentences()
    answers = kernel.predict([sentence.text for sentence in sentences]).result
    right = sum(answer == sentence.label for answer, sentence in zip(answers, sentences, strict=True))
    return Figures(kernel.info.version, right, len(sentences))


def not_worse(candidate: Figures, stable: Figures) -> bool:
    """Say whether the candidate may be registered, given that there is new feedback: equal figures are enough."""
    return candidate.right >= stable.right


def digest(example: Example) -> str:
    """Return what an example is known by when it comes a second time."""
    return hashlib.sha256(f"{example.label}\n{example.text}".encode()).hexdigest()[:16]
