"""A batch of jobs: decoded, grouped by model version, answered with as few calls of the models as possible."""

import logging
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec
from kafka.consumer.fetcher import ConsumerRecord

from app.core.batching import batch_length
from app.core.errors import RequestRefused, UnknownModel, UnusableInput
from app.core.jobs import Job, JobResult, decode_job
from app.core.model import Answer
from app.core.registry import Registry
from app.core.rows import UNREADABLE, checked_rows
from app.core.serving import AnyKernel

_log = logging.getLogger("app.worker")

# Calls a version's kernel with rows; whoever passes it in may measure the call.
Predict = Callable[[AnyKernel, list[Any]], Answer]


# Longer ones are not ours, and a result that carries them might be more than Kafka takes.
_Name = Annotated[str, msgspec.Meta(max_length=255)]
_GivenName = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
_DETAIL = 1000


class Owner(msgspec.Struct, frozen=True):
    """What must be readable of a message for anybody to be told of its failure."""

    id: _GivenName
    client: _GivenName
    model: _Name = ""
    request_id: _Name = ""
    accepted: float = 0.0


_decode_owner = msgspec.json.Decoder(Owner).decode


class Entry:
    """One message on its way to an answer. Not frozen: each step fills in what it finds."""

    __slots__ = ("answer", "detail", "job", "kernel", "reason", "record", "rows")

    def __init__(self, record: ConsumerRecord) -> None:
        self.record = record
        self.job: Job | Owner | None = None
        """None: nobody can be told."""
        self.kernel: AnyKernel | None = None
        self.rows: list[Any] = []
        self.answer: Answer | None = None
        self.reason = ""
        """One of DEAD_LETTER_REASONS when there will never be an answer; `detail` says what was seen."""
        self.detail = ""

    def fail(self, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail[:_DETAIL]


def answered(
    records: Sequence[ConsumerRecord], registry: Registry[Any], predict: Predict, most: int, most_rows: int
) -> list[Entry]:
    """Return an entry with an answer or a reason for each record, in the same order.

    `most`: rows of one job, `most_rows`: rows of one call.
    """
    entries = [_read(record, registry, most) for record in records]
    groups: dict[int, list[Entry]] = {}
    for entry in entries:
        if entry.kernel is not None:
            groups.setdefault(id(entry.kernel), []).append(entry)
    for group in groups.values():
        while group:
            count = batch_length([len(entry.rows) for entry in group], most_rows)
            _answer_together(group[:count], predict)
            del group[:count]
    return entries


def result(entry: Entry, now: float) -> JobResult | None:
    """Return what the job's owner is told, None when nobody can be. `now`: epoch seconds."""
    job = entry.job
    if job is None:
        return None
    if entry.answer is None or entry.kernel is None:
        return JobResult(
            id=job.id,
            client=job.client,
            model=job.model,
            status="failed",
            request_id=job.request_id,
            accepted=job.accepted,
            answered=now,
            reason=entry.detail,
        )
    return JobResult(
        id=job.id,
        client=job.client,
        model=job.model,
        status="done",
        request_id=job.request_id,
        accepted=job.accepted,
        answered=now,
        version=entry.kernel.info.version,
        result=entry.answer.result,
        score=entry.answer.score,
    )


def _read(record: ConsumerRecord, registry: Registry[Any], most: int) -> Entry:
    entry = Entry(record)
    try:
        job = entry.job = decode_job(record.value or b"")
        if not _named(job):
            raise msgspec.ValidationError("id, client, model or request_id is empty or too long")
        kernel = registry.model(job.model).pick()
        entry.rows = checked_rows(job.data, kernel.info, most)
        entry.kernel = kernel
    except UNREADABLE as error:
        entry.job = _owner(record.value or b"")
        entry.fail("unreadable", f"the message is no job ({error})")
    except UnknownModel as error:
        entry.fail("unknown-model", str(error))
    except RequestRefused as error:
        entry.fail("wrong-shape", error.detail)
    return entry


def _named(job: Job) -> bool:
    return 0 < len(job.id) < 256 > len(job.client) > 0 and len(job.model) < 256 > len(job.request_id)


def _owner(value: bytes) -> Owner | None:
    try:
        return _decode_owner(value)
    except UNREADABLE:
        return None


def _answer_together(entries: list[Entry], predict: Predict) -> None:
    """Answer with one call; when that fails, find the jobs that spoil it: the others get their answers."""
    kernel = entries[0].kernel
    assert kernel is not None
    try:
        answer = predict(kernel, [row for entry in entries for row in entry.rows])
    except Exception as error:
        if len(entries) == 1:
            _spoilt(entries[0], error)
            return
        for entry in entries:
            _answer_together([entry], predict)
        return
    start = 0
    results, scores = answer.result, answer.score
    for entry in entries:
        end = start + len(entry.rows)
        entry.answer = Answer(results[start:end], None if scores is None else scores[start:end])
        start = end


def _spoilt(entry: Entry, error: Exception) -> None:
    if isinstance(error, UnusableInput):
        entry.fail("unusable-input", str(error))
        return
    _log.error("a model failed on one job", exc_info=error)
    entry.fail("failed", f"the model failed on this job ({type(error).__name__})")
