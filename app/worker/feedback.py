"""The handler of the topic `feedback`: say whether the prediction was right, and store it once."""

from collections.abc import Callable
from typing import Any

import msgspec
from kafka.consumer.fetcher import ConsumerRecord

from app.adapters.feedback_table import FeedbackTable, StoredFeedback
from app.core.errors import RequestRefused, UnknownModel, UnusableInput
from app.core.feedback import FeedbackEvent, Label, decode_event, encode
from app.core.labels import checked_label, verdict
from app.core.registry import Registry
from app.core.rows import UNREADABLE, checked_rows
from app.core.serving import AnyKernel
from app.core.topics import FEEDBACK
from app.telemetry.metrics import Metrics
from app.worker.dead_letters import DeadLetter, DeadLetters
from app.worker.records import WorkerLog


class Judgement(msgspec.Struct):
    """A readable feedback: which version predicted what for which row, and what it should have been."""

    record: ConsumerRecord
    event: FeedbackEvent
    kernel: AnyKernel
    row: Any
    label: Label
    version: str
    predicted: Any


class FeedbackHandler:
    """A Handler."""

    topic = FEEDBACK

    def __init__(
        self,
        registry: Registry[AnyKernel],
        table: FeedbackTable,
        dead_letters: DeadLetters,
        log: WorkerLog,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        """`clock` tells epoch seconds."""
        self._registry = registry
        self._table = table
        self._dead_letters = dead_letters
        self._log = log
        self._metrics = metrics
        self._clock = clock

    def handle(self, records: list[ConsumerRecord]) -> None:
        """See to all of `records`: each is in the table or put aside. Raises Away."""
        taken = self._clock()
        judgements: list[Judgement] = []
        letters: list[DeadLetter] = []
        for record in records:
            read = self._read(record)
            if isinstance(read, Judgement):
                judgements.append(read)
            else:
                letters.append(read)
        letters += _ask_models([one for one in judgements if one.predicted is None])
        self._store([one for one in judgements if one.predicted is not None], taken)
        self._dead_letters.put_aside(letters)
        finished = self._clock()
        for record, reason, _ in letters:
            self._log.feedback(record, _event(record), "unusable", reason, taken=taken, finished=finished)

    def _store(self, judgements: list[Judgement], taken: float) -> None:
        now = self._clock()
        lines = {one.event.id: _line(one, now) for one in reversed(judgements)}
        # Counted and logged at once: should something else send them back, they are no longer new.
        new = self._table.add(list(lines.values()))
        finished = self._clock()
        for one in judgements:
            line = lines[one.event.id]
            stored = one.event.id in new
            if stored:
                new.remove(one.event.id)
                self._metrics.counter("feedback_total", line.model, line.verdict).add()
            self._log.feedback(
                one.record,
                one.event,
                "stored" if stored else "duplicate",
                version=line.version,
                verdict=line.verdict,
                taken=taken,
                finished=finished,
            )

    def _read(self, record: ConsumerRecord) -> Judgement | DeadLetter:
        try:
            event = decode_event(record.value or b"")
            if "\0" in event.id + event.client + event.version + event.about:  # which PostgreSQL cannot store
                return DeadLetter(record, "unreadable", "the message is no feedback (a name with a NUL in it)")
            kernel = self._kernel(event)
            (row,) = checked_rows(msgspec.Raw(b"[%b]" % bytes(event.row)), kernel.info, 1)
            label = checked_label(event.label, kernel.info)
        except UNREADABLE as error:
            return DeadLetter(record, "unreadable", f"the message is no feedback ({error})")
        except UnknownModel as error:
            return DeadLetter(record, "unknown-model", str(error))
        except RequestRefused as error:
            return DeadLetter(record, "wrong-shape", error.detail)
        return Judgement(record, event, kernel, row, label, event.version, event.predicted)

    def _kernel(self, event: FeedbackEvent) -> AnyKernel:
        """Return the version that predicted; the stable one when that is gone, or nothing was predicted yet."""
        split = self._registry.model(event.model)
        return split.versions.get(event.version, split.stable)


def _event(record: ConsumerRecord) -> FeedbackEvent | None:
    try:
        return decode_event(record.value or b"")
    except UNREADABLE:
        return None


def _ask_models(unknown: list[Judgement]) -> list[DeadLetter]:
    """Fill in what the models predict, with one call of each; return those that have no answer."""
    groups: dict[int, list[Judgement]] = {}
    for one in unknown:
        groups.setdefault(id(one.kernel), []).append(one)
    letters: list[DeadLetter] = []
    for group in groups.values():
        try:
            _predict(group)
        except Exception:  # find those that spoil it: the others have their answers
            letters += [letter for one in group if (letter := _spoilt(one)) is not None]
    return letters


def _spoilt(one: Judgement) -> DeadLetter | None:
    try:
        _predict([one])
    except UnusableInput as error:
        return DeadLetter(one.record, "unusable-input", str(error))
    except Exception as error:
        return DeadLetter(one.record, "failed", f"the model failed on this row ({type(error).__name__})")
    return None


def _predict(group: list[Judgement]) -> None:
    kernel = group[0].kernel
    for one, predicted in zip(group, kernel.predict([one.row for one in group]).result, strict=True):
        one.predicted, one.version = predicted, kernel.info.version


def _line(one: Judgement, now: float) -> StoredFeedback:
    event = one.event
    return StoredFeedback(
        id=event.id,
        client=event.client,
        model=event.model,
        version=one.version,
        row=encode(one.row).decode(),
        label=encode(one.label).decode(),
        predicted=encode(one.predicted).decode(),
        verdict=verdict(one.predicted, one.label, one.kernel.info),
        about=event.about,
        given=event.given,
        stored=now,
    )
