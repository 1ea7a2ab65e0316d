"""The composition root: Settings in, wired and closable services out."""

import gc
import logging
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

from app.adapters.allocator import give_large_blocks_back
from app.adapters.api_keys import FileKeyRing
from app.adapters.deployments import Deployments
from app.adapters.job_store import RedisJobStore
from app.adapters.kafka_batches import KafkaBatchPublisher
from app.adapters.kafka_producer import Producers, TopicCounters
from app.adapters.kafka_publisher import KafkaPublisher
from app.adapters.micro_batcher import MicroBatcher
from app.adapters.model_files import find_version, load
from app.adapters.recall import RedisRecall
from app.adapters.redis_cache import RedisCache
from app.adapters.result_store import RedisResults
from app.adapters.routes_file import RoutesFile
from app.config import Settings, WrongSetting, gelf_address
from app.core.lru import LruCache
from app.core.ports import AnswerCache, CachedAnswer, JobStore, KeyRing, MessageLog, Publisher, Recall, ResultStore
from app.core.recent import Recent
from app.core.registry import Registry, Served
from app.core.serving import AnyKernel, HeavyModel, LightModel, ServedModel
from app.core.topics import DEAD_LETTERS, FEEDBACK, JOBS, RESULTS
from app.telemetry.catalogue import CACHE_OUTCOMES, CACHE_TIERS, PUBLISH_OUTCOMES
from app.telemetry.event_log import EventLog, NoLog
from app.telemetry.logs import Logs
from app.telemetry.metrics import Metrics, metrics_of
from app.telemetry.version_gauges import QueueGauges, TrafficGauges

if TYPE_CHECKING:
    from app.adapters.feedback_table import FeedbackTable

# A thread that wants the interpreter waits this long at most (seconds): the event loop must not stand behind a model.
_SWITCH_INTERVAL = 0.0001
# Feedback that names a request waits this long for the replica that answered it.
_RECALL_SECONDS = 0.2

S = TypeVar("S", bound=Served)


@dataclass(frozen=True)
class Services:
    """Everything that the api serves with; `close` ends it all."""

    settings: Settings
    metrics: Metrics
    access_log: EventLog | NoLog
    registry: Registry[ServedModel]
    deployments: Deployments[ServedModel]
    shared_cache: AnswerCache | None
    keys: KeyRing
    job_store: JobStore | None
    message_log: MessageLog | None
    recent: Recent
    recall: Recall | None
    closing: AsyncExitStack

    async def close(self) -> None:
        await self.closing.aclose()


async def build(settings: Settings, kernels: list[AnyKernel] | None = None) -> Services:
    """Wire the services of one api process; `kernels` replaces those of the models folder.

    Raises ArtefactChanged or WrongCanary. Must run in the event loop that will serve.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL)
    give_large_blocks_back()
    metrics = metrics_of(settings.release)
    async with AsyncExitStack() as opened:
        logs = build_logs(settings, metrics)
        opened.callback(logs.close)
        if kernels is None:
            kernels = list(load(Path(settings.models_dir)))
        executor = ThreadPoolExecutor(1, thread_name_prefix="inference")
        opened.callback(executor.shutdown, cancel_futures=True)
        shared = _shared_cache(settings, metrics)
        if shared is not None:
            opened.push_async_callback(shared.close)
        keys = FileKeyRing(Path(settings.api_keys_file) if settings.api_keys_file else None, perf_counter)
        job_store = _job_store(settings)
        if job_store is not None:
            opened.push_async_callback(job_store.close)
        message_log = _message_log(settings, metrics)
        if message_log is not None:
            opened.push_async_callback(message_log.close)
        recent = Recent()
        recall = RedisRecall(settings.store_url, _RECALL_SECONDS, recent.find) if settings.store_url else None
        if recall is not None:
            opened.push_async_callback(recall.close)
        local: LruCache[bytes, CachedAnswer] = LruCache(
            settings.cache_entries, settings.cache_ttl, settings.cache_bytes
        )

        def serve(kernel: AnyKernel) -> ServedModel:
            return _served(kernel, settings, metrics, executor, local, shared)

        registry = Registry(map(serve, kernels), settings.canary)
        deployments = build_deployments(settings, metrics, registry, serve)
        deployments.tell(QueueGauges(metrics))
        # What lives now lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        return Services(
            settings,
            metrics,
            logs.events if settings.access_log else NoLog(),
            registry,
            deployments,
            shared,
            keys,
            job_store,
            message_log,
            recent,
            recall,
            opened.pop_all(),
        )


def build_deployments(
    settings: Settings, metrics: Metrics, registry: Registry[S], serve: Callable[[AnyKernel], S]
) -> Deployments[S]:
    """Return what keeps the registry as the routes file says, the file as it is now applied.

    `serve` makes of a kernel what the registry holds; any thread.
    """
    folders = [Path(folder) for folder in (settings.models_dir, settings.trained_dir) if folder]
    routes = RoutesFile(Path(settings.routes_file)) if settings.routes_file else None
    deployments = Deployments(registry, routes, lambda name, version: serve(find_version(folders, name, version)))
    deployments.tell(TrafficGauges(metrics, registry))
    deployments.start()
    return deployments


def _served(
    kernel: AnyKernel,
    settings: Settings,
    metrics: Metrics,
    executor: ThreadPoolExecutor,
    local: LruCache[bytes, CachedAnswer],
    shared: AnswerCache | None,
) -> ServedModel:
    info = kernel.info
    call_seconds = metrics.histogram("model_inference_seconds", info.name, info.version)
    call_rows = metrics.histogram("model_batch_size", info.name)
    if not info.heavy:
        return LightModel(kernel, perf_counter, call_seconds, call_rows)
    batcher = MicroBatcher(
        kernel,
        executor,
        perf_counter,
        limit_seconds=settings.max_queue_seconds,
        most_rows=settings.max_batch_rows,
        call_seconds=call_seconds,
        call_rows=call_rows,
    )
    batcher.warm_up()
    return HeavyModel(info, perf_counter, batcher, local, shared)


def build_logs(settings: Settings, metrics: Metrics) -> Logs:
    """Return the logs of a process, open."""
    stdout, gelf = sys.stdout.fileno(), gelf_address(settings.gelf_url)
    return Logs(metrics, settings.replica, settings.log_level, settings.access_log_buffer, stdout, gelf)


def _shared_cache(settings: Settings, metrics: Metrics) -> RedisCache | None:
    if not settings.redis_url:
        return None
    counters: dict[str, Any] = {
        outcome: metrics.counter("cache_requests_total", CACHE_TIERS[1], outcome) for outcome in CACHE_OUTCOMES
    }
    return RedisCache(settings.redis_url, settings.redis_deadline, settings.cache_ttl, counters, perf_counter)


def _message_log(settings: Settings, metrics: Metrics) -> KafkaPublisher | None:
    if not settings.kafka:
        return None
    # The client reports each attempt to connect; what that means for requests is counted.
    logging.getLogger("kafka").setLevel("ERROR")
    return KafkaPublisher(
        _producers(settings),
        deadline=settings.kafka_deadline,
        most_pending=settings.kafka_pending,
        counters={topic: _topic_counters(metrics, topic) for topic in (JOBS, FEEDBACK)},
        clock=perf_counter,
    )


def _producers(settings: Settings) -> Producers:
    return Producers(
        settings.kafka,
        replication=settings.kafka_replication,
        deadline=settings.kafka_deadline,
        largest_body=settings.max_body_bytes,
    )


def _topic_counters(metrics: Metrics, topic: str) -> TopicCounters:
    acknowledged, failed = (metrics.counter("messages_published_total", topic, fate) for fate in PUBLISH_OUTCOMES)
    return TopicCounters(acknowledged, failed, metrics.histogram("message_publish_seconds", topic))


def _job_store(settings: Settings) -> RedisJobStore | None:
    if not settings.store_url:
        return None
    return RedisJobStore(
        settings.store_url,
        settings.store_deadline,
        settings.result_ttl,
        settings.job_rate,
        settings.job_burst,
        perf_counter,
    )


@dataclass(frozen=True)
class WorkerServices:
    """Everything that a worker works with; `closing` ends it all."""

    settings: Settings
    metrics: Metrics
    events: EventLog | NoLog
    registry: Registry[AnyKernel]
    deployments: Deployments[AnyKernel]
    store: ResultStore
    publisher: Publisher
    producers: Producers
    feedback_table: "FeedbackTable | None"
    closing: ExitStack


def build_worker(settings: Settings) -> WorkerServices:
    """Wire the services of one worker process; Kafka and Redis may be away.

    Raises WrongSetting, ArtefactChanged or WrongCanary.
    """
    for variable, value in (("LAB_KAFKA", settings.kafka), ("LAB_STORE_URL", settings.store_url)):
        if not value:
            raise WrongSetting(f"{variable} is not set: a worker needs Kafka and the store of jobs")
    give_large_blocks_back()
    # Of every join and every attempt to connect it says a dozen things; what they mean for us the worker logs itself.
    logging.getLogger("kafka").setLevel("CRITICAL")
    metrics = metrics_of(settings.release)
    with ExitStack() as opened:
        logs = build_logs(settings, metrics)
        opened.callback(logs.close)
        registry: Registry[AnyKernel] = Registry(load(Path(settings.models_dir)), settings.canary)
        deployments = build_deployments(settings, metrics, registry, lambda kernel: kernel)
        store = RedisResults(settings.store_url, settings.store_deadline, settings.result_ttl)
        opened.callback(store.close)
        producers = _producers(settings)
        counters = {topic: _topic_counters(metrics, topic) for topic in (RESULTS, DEAD_LETTERS)}
        publisher = KafkaBatchPublisher(producers, settings.kafka_deadline, counters, perf_counter)
        opened.callback(publisher.close)
        table = _feedback_table(settings)
        if table is not None:
            opened.callback(table.close)
        gc.collect()
        gc.freeze()
        return WorkerServices(
            settings,
            metrics,
            logs.events if settings.access_log else NoLog(),
            registry,
            deployments,
            store,
            publisher,
            producers,
            table,
            opened.pop_all(),
        )


def _feedback_table(settings: Settings) -> "FeedbackTable | None":
    """Return the table; None when no database is configured: feedback waits in Kafka then."""
    if not settings.database_url:
        return None
    from app.adapters.feedback_table import FeedbackTable  # 25 MB of SQL toolkit, which an api never needs

    try:
        return FeedbackTable(settings.database_url)
    except ValueError as error:
        raise WrongSetting(f"LAB_DATABASE_URL: {error}") from None
