"""What clients said about sentences, as examples to train on: one label for each text, and why others are left out."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from app.core.text_features import plain

LONGEST_TEXT: Final = 2000
"""Letters; a sentence has far fewer, and one long text must not outweigh all others."""


class Said(msgspec.Struct, frozen=True):
    """One feedback: who gave which label to which text; later ones stand for what the client thinks now."""

    client: str
    text: str
    label: str


class Example(msgspec.Struct, frozen=True):
    """A text with the label that its clients agree on."""

    text: str
    label: str


class Usable(msgspec.Struct, frozen=True):
    """The examples that feedback leaves, and how many rows of it were left out for which reason."""

    examples: tuple[Example, ...]
    rows: int
    """Feedback rows read."""
    left_out: dict[str, int]


def bare(text: str) -> str:
    """The words alone: no case, accents or punctuation. Texts that are equal so are one text."""
    return " ".join(re.findall(r"\w+", plain(unicodedata.normalize("NFC", text))))


def usable(said: Iterable[Said], labels: Sequence[str], known: Iterable[str], held_out: Iterable[str]) -> Usable:
    """Return what can be trained on, in the order in which the texts were first named.

    `said` is in the order of time. Of one client the newest label of a text counts; of several the label that most of
    them gave; without a majority the text is left out. So are texts of `known` (the original data: their label stands)
    and of `held_out` (what the candidate is measured on must not be learnt).
    """
    taken = {bare(text): "already in the original data" for text in known}
    taken |= {bare(text): "in the held-out data" for text in held_out}
    left_out: Counter[str] = Counter()
    votes: dict[str, dict[str, Said]] = {}
    rows = 0
    for one in said:
        rows += 1
        key = bare(one.text)
        if reason := "unusable text or label" if _unusable(one, key, labels) else taken.get(key):
            left_out[reason] += 1
            continue
        by_client = votes.setdefault(key, {})
        left_out["replaced by a later one of the same client"] += one.client in by_client
        by_client[one.client] = one
    examples = []
    for by_client in votes.values():
        label = _majority([one.label for one in by_client.values()])
        agreeing = [one for one in by_client.values() if one.label == label]
        if agreeing:
            examples.append(Example(agreeing[0].text, agreeing[0].label))
        left_out["contradicted by other clients"] += len(by_client) - len(agreeing)
        left_out["said by several clients"] += max(len(agreeing) - 1, 0)
    return Usable(tuple(examples), rows, {reason: count for reason, count in left_out.items() if count})


def _unusable(one: Said, key: str, labels: Sequence[str]) -> bool:
    return not key or len(one.text) > LONGEST_TEXT or one.label not in labels


def _majority(labels: Sequence[str]) -> str | None:
    """The label that was given most often, None when two were."""
    (first, count), *others = Counter(labels).most_common(2)
    return None if others and others[0][1] == count else first
