"""`python -m app.worker`: answer jobs and store feedback; settings come from LAB_* variables."""

import signal
import sys
import time
from typing import Any

from app.bootstrap import WorkerServices, build_worker
from app.config import Settings, WrongSetting, from_environment
from app.core.errors import ArtefactChanged, WrongCanary
from app.core.topics import WORKERS
from app.health_server import HealthServer
from app.worker.consumer import open_consumer
from app.worker.dead_letters import DeadLetters
from app.worker.feedback import FeedbackHandler
from app.worker.handler import Handler
from app.worker.jobs import JobHandler
from app.worker.loop import PollLoop
from app.worker.records import WorkerLog


def main() -> int:
    """Work until SIGTERM or SIGINT; return 0 after a drain, 2 when it cannot start."""
    try:
        run(from_environment())
    except (WrongSetting, WrongCanary, ArtefactChanged) as error:
        print(f"app.worker: {error}", file=sys.stderr)
        return 2
    return 0


def run(settings: Settings) -> None:
    """Work until a signal comes. Raises WrongSetting, WrongCanary or ArtefactChanged."""
    services = build_worker(settings)
    with services.closing:

        def opened() -> Any:
            services.producers.current()  # makes the topics that are missing
            return open_consumer(settings.kafka, WORKERS, settings.replica, settings.worker_batch)

        loop = PollLoop(
            opened,
            handlers(services),
            services.metrics,
            most=settings.worker_batch,
            retry_seconds=settings.retry_seconds,
            before_poll=services.deployments.refresh,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: loop.stop())

        def dependencies() -> dict[str, str]:
            found = {"kafka": loop.ready(), "store": services.store.reachable()}
            return {name: "ok" if well else "down" for name, well in found.items()}

        with HealthServer(settings.metrics_host, settings.metrics_port, services.metrics, dependencies):
            loop.run()


def handlers(services: WorkerServices) -> list[Handler]:
    """Return who sees to which topic."""
    settings = services.settings
    dead_letters = DeadLetters(services.publisher, services.metrics)
    log = WorkerLog(services.events, settings.replica)
    found: list[Handler] = [
        JobHandler(
            services.registry,
            services.store,
            services.publisher,
            dead_letters,
            log,
            services.metrics,
            time.time,
            most=settings.max_rows,
            most_rows=settings.max_batch_rows,
        )
    ]
    if services.feedback_table is not None:
        found.append(
            FeedbackHandler(services.registry, services.feedback_table, dead_letters, log, services.metrics, time.time)
        )
    return found


if __name__ == "__main__":
    sys.exit(main())
