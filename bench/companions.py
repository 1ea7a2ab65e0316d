"""What runs on the load's core beside a measured server: who takes its log records, who scrapes its metrics."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from bench.errors import CannotMeasure
from bench.processes import confined, end


@contextlib.contextmanager
def log_sink(core: int) -> Iterator[str]:
    """Receive log records by UDP and forget them; yields the URL for LAB_GELF_URL."""
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
