"""What runs on the load's core beside a measured server: who takes its log records, who scrapes its metrics."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator

from bench.errors import CannotMeasure
from bench.processes import confined, end


@contextlib.contextmanager
def log_sinks(core: int) -> Iterator[dict[str, str]]:
    """Yield the URLs of receivers of log records: one that takes them, one that hangs, one that is gone."""
    with _taking(core) as taking, _bound() as hanging, _bound() as gone:
        urls = {"taking": taking, "hanging": _url(hanging), "gone": _url(gone)}
        gone.close()
        yield urls


def _bound() -> socket.socket:
    """Return a UDP socket that nobody reads."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind(("127.0.0.1", 0))
    return opened


def _url(receiver: socket.socket) -> str:
    return f"udp://127.0.0.1:{receiver.getsockname()[1]}"


@contextlib.contextmanager
def _taking(core: int) -> Iterator[str]:
    """Receive log records by UDP and forget them; yields the URL."""
    process = subprocess.Popen(
        confined(core, [sys.executable, "-m", "bench.servers.log_sink"]), stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            if not port:
                raise CannotMeasure("the receiver of the log records ended at its start")
            yield f"udp://127.0.0.1:{port}"
        finally:
            end(process)


@contextlib.contextmanager
def scrapers(core: int, metrics_port: int, count: int) -> Iterator[None]:
    """Let `count` clients read the metrics once a second each, all at the same moment."""
    arguments = [sys.executable, "-m", "bench.scrapers", str(metrics_port), str(count)]
    process = subprocess.Popen(confined(core, arguments), stdout=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdout is not None
            if not process.stdout.readline():
                raise CannotMeasure(f"the {count} scrapers cannot read the metrics on port {metrics_port}")
            yield
            if process.poll() is not None:
                raise CannotMeasure(f"the {count} scrapers ended before the load did")
        finally:
            end(process)
