"""`python -m app.collector`: GELF and the edge's log into a store of logs; settings come from LAB_* variables."""

import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from app.bootstrap_collector import build_log_store, build_metrics, configure_logging
from app.collector.backlog import Backlog
from app.collector.follower import Follower
from app.collector.intake import Intake
from app.collector.receiver import Receiver
from app.collector.sockets import tcp_listener, udp_socket
from app.collector.writer import Writer
from app.config import Settings, WrongSetting, from_environment
from app.core.log_records import Maker
from app.health_server import HealthServer

# Seconds that a thread waits for the interpreter at most: nobody makes the senders of datagrams wait.
_SWITCH_INTERVAL = 0.001


def main() -> int:
    """Collect until SIGTERM or SIGINT; return 0 when all that had arrived is written, 2 when it cannot start."""
    try:
        run(from_environment())
    except WrongSetting as error:
        print(f"app.collector: {error}", file=sys.stderr)
        return 2
    return 0


def run(settings: Settings) -> None:
    """Collect until a signal comes. Raises WrongSetting."""
    sys.setswitchinterval(_SWITCH_INTERVAL)
    configure_logging(settings.log_level, settings.replica)
    with ExitStack() as opened:
        store = build_log_store(settings)
        opened.callback(store.close)
        metrics = build_metrics(store, settings.release)
        udp = opened.enter_context(udp_socket(settings.gelf_host, settings.gelf_port))
        listener = opened.enter_context(tcp_listener(settings.gelf_host, settings.gelf_port))
        backlog = Backlog(settings.collector_buffer)
        metrics.gauge("collector_queue_records", backlog.__len__)
        intake = Intake(backlog, Maker(time.time_ns(), time.time), metrics, store.name, time.monotonic)
        follower = None
        if settings.follow_file:
            follower = Follower(Path(settings.follow_file), intake.line, lambda why: intake.refuse("file", why))
        receiver = Receiver(udp, listener, follower, intake, metrics.counter("gelf_socket_drops_total"))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: receiver.stop())
        writer = Writer(backlog, store, metrics)

        def dependencies() -> dict[str, str]:
            return {store.name: "ok" if store.reachable() else "down"}

        with HealthServer(settings.metrics_host, settings.metrics_port, metrics, dependencies):
            writer.start()
            receiver.run()
            writer.close()


if __name__ == "__main__":
    sys.exit(main())
