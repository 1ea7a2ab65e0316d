"""The composition root: Settings in, wired and closable services out."""

import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from app.adapters.allocator import give_large_blocks_back
from app.adapters.micro_batcher import MicroBatcher
from app.adapters.model_files import load
from app.adapters.redis_cache import RedisCache
from app.config import Settings
from app.core.lru import LruCache
from app.core.ports import AnswerCache, CachedAnswer
from app.core.registry import Registry
from app.core.serving import AnyKernel, HeavyModel, LightModel, ServedModel
from app.telemetry.access_log import AccessLog, LogCounters, NoLog
from app.telemetry.application_log import configure_logging
from app.telemetry.catalogue import CACHE_OUTCOMES, CACHE_TIERS, LOG_OUTCOMES
from app.telemetry.metrics import Metrics

# A thread that wants the interpreter waits this long at most (seconds): the event loop must not stand behind a model.
_SWITCH_INTERVAL = 0.0001


@dataclass(frozen=True)
class Services:
    """Everything that the api serves with; `close` ends it all."""

    settings: Settings
    metrics: Metrics
    access_log: AccessLog | NoLog
    registry: Registry[ServedModel]
    shared_cache: AnswerCache | None
    closing: AsyncExitStack

    async def close(self) -> None:
        await self.closing.aclose()


async def build(settings: Settings, kernels: list[AnyKernel] | None = None) -> Services:
    """Wire the services of one api process; `kernels` replaces those of the models folder.

    Raises ArtefactChanged or WrongCanary. Must run in the event loop that will serve.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL)
    give_large_blocks_back()
    configure_logging(settings.log_level, settings.replica)
    if kernels is None:
        kernels = list(load(Path(settings.models_dir)))
    metrics = Metrics()
    async with AsyncExitStack() as opened:
        access_log = _access_log(settings, metrics)
        opened.callback(access_log.close)
        executor = ThreadPoolExecutor(1, thread_name_prefix="inference")
        opened.callback(executor.shutdown, cancel_futures=True)
        shared = _shared_cache(settings, metrics)
        if shared is not None:
            opened.push_async_callback(shared.close)
        local: LruCache[bytes, CachedAnswer] = LruCache(
            settings.cache_entries, settings.cache_ttl, settings.cache_bytes
        )
        served = [_served(kernel, settings, metrics, executor, local, shared) for kernel in kernels]
        registry = Registry(served, settings.canary)
        # What lives now lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        return Services(settings, metrics, access_log, registry, shared, opened.pop_all())


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
    metrics.gauge("model_queue_rows", lambda: batcher.pending_rows, info.name, info.version)
    return HeavyModel(info, perf_counter, batcher, local, shared)


def _access_log(settings: Settings, metrics: Metrics) -> AccessLog | NoLog:
    if not settings.access_log:
        return NoLog()
    counters = LogCounters(*(metrics.counter("log_records_total", "stdout", fate) for fate in LOG_OUTCOMES))
    return AccessLog(sys.stdout.fileno(), settings.access_log_buffer, counters)


def _shared_cache(settings: Settings, metrics: Metrics) -> RedisCache | None:
    if not settings.redis_url:
        return None
    counters: dict[str, Any] = {
        outcome: metrics.counter("cache_requests_total", CACHE_TIERS[1], outcome) for outcome in CACHE_OUTCOMES
    }
    return RedisCache(settings.redis_url, settings.redis_deadline, settings.cache_ttl, counters, perf_counter)
