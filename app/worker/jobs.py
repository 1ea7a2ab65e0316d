"""The handler of the topic `jobs`: predict, keep the first result, publish it, put aside what has no answer."""

import time
from collections.abc import Callable
from typing import Any

from kafka.consumer.fetcher import ConsumerRecord

from app.core.jobs import JobResult, encode
from app.core.model import Answer
from app.core.ports import Message, Publisher, ResultStore
from app.core.registry import Registry
from app.core.serving import AnyKernel
from app.core.topics import JOBS, REQUEST_ID, RESULTS
from app.telemetry.metrics import Metrics
from app.telemetry.model_meter import ModelMeter
from app.worker.dead_letters import DeadLetter, DeadLetters
from app.worker.job_batch import Entry, answered, result
from app.worker.records import WorkerLog

# As a label: a name that a client made up must not become a series.
_NO_MODEL = "unknown"


class JobHandler:
    """A Handler."""

    topic = JOBS

    def __init__(
        self,
        registry: Registry[Any],
        store: ResultStore,
        publisher: Publisher,
        dead_letters: DeadLetters,
        log: WorkerLog,
        metrics: Metrics,
        clock: Callable[[], float],
        *,
        most: int,
        most_rows: int,
    ) -> None:
        """`clock` tells epoch seconds; `most`: rows of one job, `most_rows`: rows of one call of a model."""
        self._registry = registry
        self._store = store
        self._publisher = publisher
        self._dead_letters = dead_letters
        self._log = log
        self._metrics = metrics
        self._clock = clock
        self._most = most
        self._most_rows = most_rows
        self._meters: dict[tuple[str, str], ModelMeter] = {}
        self._observe_wait = metrics.histogram("job_wait_seconds").observe

    def handle(self, records: list[ConsumerRecord]) -> None:
        """See to all of `records`: results are in the store and in the topic `results`. Raises Away."""
        taken = self._clock()
        entries = answered(records, self._registry, self._predict, self._most, self._most_rows)
        now = self._clock()
        told = [(entry, known) for entry in entries if (known := result(entry, now)) is not None]
        stands = [encode(known) for _, known in told]
        earlier = self._store.keep_first([(known.id, kept) for (_, known), kept in zip(told, stands, strict=True)])
        messages = [
            Message(known.client.encode(), before or kept, [(REQUEST_ID, known.request_id.encode())])
            for (_, known), kept, before in zip(told, stands, earlier, strict=True)
        ]
        if messages:
            self._publisher.publish(RESULTS, messages)
        self._dead_letters.put_aside([DeadLetter(one.record, one.reason, one.detail) for one in entries if one.reason])
        # Only now: what was put back meanwhile comes again, and is counted and logged then.
        finished = self._clock()
        self._count(told, earlier, taken)
        for (entry, known), before in zip(told, earlier, strict=True):
            self._log.job(entry.record, known, _outcome(known, before), entry.reason, taken=taken, finished=finished)
        nobodys = [entry for entry in entries if entry.job is None]
        for entry in nobodys:
            self._log.job(entry.record, None, "unreadable", entry.reason, taken=taken, finished=finished)
        self._finished(_NO_MODEL, "unreadable", len(nobodys))

    def _predict(self, kernel: AnyKernel, rows: list[Any]) -> Answer:
        info = kernel.info
        started = time.perf_counter()
        answer = kernel.predict(rows)
        self._metrics.histogram("model_inference_seconds", info.name, info.version).observe(
            time.perf_counter() - started
        )
        self._metrics.histogram("model_batch_size", info.name).observe(len(rows))
        return answer

    def _count(self, told: list[tuple[Entry, JobResult]], earlier: list[bytes | None], taken: float) -> None:
        finished: dict[tuple[str, str], int] = {}
        for (entry, known), before in zip(told, earlier, strict=True):
            model = known.model if entry.kernel is not None else _NO_MODEL
            outcome = _outcome(known, before)
            finished[model, outcome] = finished.get((model, outcome), 0) + 1
            if known.accepted:
                self._observe_wait(max(0.0, taken - known.accepted))
            if entry.kernel is not None:
                meter = self._meter(entry.kernel)
                if entry.answer is not None:
                    meter.answered(entry.answer.result, entry.answer.score, cached="")
                else:
                    meter.refused("invalid" if entry.reason == "unusable-input" else "failed")
        for (model, outcome), count in finished.items():
            self._finished(model, outcome, count)

    def _finished(self, model: str, outcome: str, count: int) -> None:
        if count:
            self._metrics.counter("jobs_finished_total", model, outcome).add(count)

    def _meter(self, kernel: AnyKernel) -> ModelMeter:
        info = kernel.info
        meter = self._meters.get((info.name, info.version))
        if meter is None:
            meter = ModelMeter(self._metrics, info.name, info.version, info.labels, text=info.kind == "text")
            self._meters[info.name, info.version] = meter
        return meter


def _outcome(known: JobResult, before: bytes | None) -> str:
    """Return what came of a job; `before`: the earlier answer that stands."""
    return known.status if before is None else "duplicate"
