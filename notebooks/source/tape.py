"""A tape: questions with the answers that a real stack gave, in their order, as one JSON file."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from labkit.errors import CannotRun


class NotRecorded(CannotRun):
    """Nobody asked this when the samples were recorded."""


class Tape:
    """Answers by question. The same question may be asked again: its answers come in the order of the recording."""

    def __init__(self, file: Path, entries: list[tuple[str, Any]]) -> None:
        self._file = file
        self._entries = entries
        self._answers: defaultdict[str, list[Any]] = defaultdict(list)
        self._asked: defaultdict[str, int] = defaultdict(int)
        for question, answer in entries:
            self._answers[question].append(answer)

    @classmethod
    def blank(cls, file: Path) -> "Tape":
        """Begin a new recording."""
        tape = cls(file, [])
        tape._write()
        return tape

    @classmethod
    def read(cls, file: Path) -> "Tape":
        """Read a recording. Raises CannotRun when there is none."""
        try:
            entries = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CannotRun(f"{file} cannot be read ({error}); next: git checkout notebooks/samples") from error
        return cls(file, [(question, answer) for question, answer in entries])

    def add(self, question: str, answer: Any) -> None:
        """Keep an answer, on disk too: a recording that breaks off shows how far it came."""
        self._entries.append((question, answer))
        self._write()

    def answer(self, question: str, *, repeat: bool = True) -> Any:
        """Return the next answer to a question; after the last one that one again, if it may be repeated.

        Raises NotRecorded.
        """
        known, place = self._answers.get(question, []), self._asked[question]
        self._asked[question] += 1
        if not known:
            raise NotRecorded(f"the samples have no answer to {question[:200]}; next: lab up, then run this again")
        if place >= len(known) and not repeat:
            raise NotRecorded(
                f"the samples have {len(known)} answers to {question[:200]}, all were given; "
                "next: run the notebook from its top, or lab up"
            )
        return known[min(place, len(known) - 1)]

    def _write(self) -> None:
        lines = ",\n".join(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) for entry in self._entries)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
